/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The help texts of the commands: printed, and asked for the options that they tell of. */
#ifndef TOOLS_TERM_HELP_H
#define TOOLS_TERM_HELP_H

#include "command.h"
#include "text.h"

#include <stdbool.h>

/* An option as its line in a help text has it; pointers go into that text. */
struct tool_help_option {
	char letter;      /* 0: none */
	const char *name; /* without the two dashes */
	size_t name_bytes;
	const char *argument; /* "SIZE"; NULL: it takes none */
	size_t argument_bytes;
	const char *meaning; /* its first line */
	size_t meaning_bytes;
};

/* The next option of a help text, from *place on; false behind the last. */
bool tool_help_next(const char **place, struct tool_help_option *option);

/* The option of this long name; false when the text has none. */
bool tool_help_find(const char *help, const char *name, struct tool_help_option *option);

/* Appends a help text, paragraphs and what options mean in lines of 80 columns; examples and lists
 * as they stand. */
void tool_help_add(struct tool_text *text, const char *help);

/* Prints `qcow2bm COMMAND --help`; returns the exit status. */
int tool_help_print(const struct tool_command *command);

#endif
