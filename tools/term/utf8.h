/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which characters can be seen on a terminal. */
#ifndef TOOLS_TERM_UTF8_H
#define TOOLS_TERM_UTF8_H

#include <stdbool.h>
#include <stdint.h>

/* False for control characters, marks of writing direction, and other characters that leave
 * no trace on a terminal or move the text around them. */
bool tool_utf8_is_visible(uint32_t character);

#endif
