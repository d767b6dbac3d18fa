/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text in lines of a width, broken between words. */
#ifndef TOOLS_TERM_FOLD_H
#define TOOLS_TERM_FOLD_H

#include "text.h"

/* How wide texts are that look the same everywhere, names aside. */
#define TOOL_FOLD_COLUMNS 80

/* The columns of the terminal that standard output is; 0 when it is none. */
size_t tool_fold_terminal(void);

/* Appends a sentence in lines of `columns`, 0: in one, the first behind `indent` spaces that stand
 * there already, the others behind as many. A word that is longer has a line for itself. */
void tool_fold_add(struct tool_text *text, const char *sentence, size_t indent,
		   size_t columns);

/* Breaks the lines of the text, from the byte `from` on, that are too long for the terminal; what goes on
 * stands four columns further right. Not for what is to be pasted. */
void tool_fold_since(struct tool_text *text, size_t from);

#endif
