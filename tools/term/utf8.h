/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UTF-8: what is valid, and which characters can be seen on a terminal. */
#ifndef TOOLS_TERM_UTF8_H
#define TOOLS_TERM_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the character that starts at `bytes`; returns its length, 0 when it is not valid:
 * truncated, too long a form, a surrogate, or past U+10FFFF. */
size_t tool_utf8_decode(const char *bytes, size_t left, uint32_t *character);

/* False for control characters, marks of writing direction, and other characters that leave
 * no trace on a terminal or move the text around them. */
bool tool_utf8_is_visible(uint32_t character);

#endif
