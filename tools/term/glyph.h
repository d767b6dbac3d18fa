/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Characters that we draw with: what the user's locale can show, or ASCII. */
#ifndef TOOLS_TERM_GLYPH_H
#define TOOLS_TERM_GLYPH_H

#include <stdint.h>

/* Asks the environment, and leaves the locale so that characters have a width whatever it says. */
void tool_glyph_setup(void);

/* What stands for the part of a text that is left out. */
const char *tool_glyph_ellipsis(void);

/* What stands for a part of the disk of which so much is dirty: one column. Nothing and all are
 * drawn for nothing and all alone. */
const char *tool_glyph_shade(uint64_t dirty_bytes, uint64_t bytes);

#endif
