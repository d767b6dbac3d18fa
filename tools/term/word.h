/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words of a command line that a shell takes as they stand. */
#ifndef TOOLS_TERM_WORD_H
#define TOOLS_TERM_WORD_H

#include "text.h"

/* A blank and the word, quoted where a shell needs that. */
void tool_word_add(struct tool_text *text, const char *word);

/* A blank and the file's name, which no program takes for an option or a protocol. */
void tool_word_add_file(struct tool_text *text, const char *filename);

/* The same, as the value of QEMU's option `file.filename`, behind `options`. */
void tool_word_add_options(struct tool_text *text, const char *options,
			   const char *filename);

#endif
