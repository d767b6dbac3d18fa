/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers as decimal digits, much faster than printf(). */
#ifndef TOOLS_TERM_DECIMAL_H
#define TOOLS_TERM_DECIMAL_H

#include <stdint.h>

/* Each writes the number at `p`, without a NUL, and returns the end of it; `width` pads with
 * spaces at the left. */
char *tool_decimal_put(char *p, uint64_t number);
char *tool_decimal_put_padded(char *p, uint64_t number, unsigned width);

#endif
