/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that a command reads whole. */
#ifndef TOOLS_TERM_INPUT_H
#define TOOLS_TERM_INPUT_H

#include "text.h"

/* Reads the file, standard input for "-", of at most so many bytes. Prints what fails; returns an
 * exit status. */
int tool_input_read(const char *filename, size_t max_bytes, struct tool_text *text);

#endif
