/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Standard output: whatever cannot be written there is a failure of the command. */
#ifndef TOOLS_TERM_OUTPUT_H
#define TOOLS_TERM_OUTPUT_H

#include "text.h"

#include <jansson.h>

/* These print, release what they were given, and return an exit status. */
int tool_output_text(struct tool_text *text);
int tool_output_json(json_t *value);

/* Prints `count` bytes at once, past stdio's buffer. */
int tool_output_bytes(const char *bytes, size_t count);

#endif
