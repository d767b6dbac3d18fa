/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that a command reads whole. */
#ifndef TOOLS_TERM_INPUT_H
#define TOOLS_TERM_INPUT_H

#include "sum.h"
#include "text.h"

/* Reads the file, standard input for "-", of at most so many bytes. Prints what fails; returns an
 * exit status. What can be read but once is kept: read again it is the same. */
int tool_input_read(const char *filename, size_t max_bytes, struct tool_text *text);

/* The sum of all that was read since tool_input_begin(): whether two runs have read the same. */
void tool_input_begin(void);
void tool_input_sum(uint8_t sum[TOOL_SUM_BYTES]);

#endif
