/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options whose argument is one of some words, or a list of them with commas between. */
#ifndef TOOLS_TERM_CHOICE_H
#define TOOLS_TERM_CHOICE_H

#include "options.h"

struct tool_choice {
	const char *option;                   /* "--columns" */
	const char *what;                     /* "column": what a word is called */
	const char *(*word)(unsigned number); /* NULL behind the last */
};

/* Takes the first word of *list and sets *list behind it and its comma, to NULL behind the last word.
 * Returns TOOL_OPTIONS_GO_ON and the word's number, or the status to exit with. */
int tool_choice_next(const struct tool_choice *choice, const struct tool_command *command,
		     const char **list, unsigned *number);

/* The same for an argument that is one word. */
int tool_choice_take(const struct tool_choice *choice, const struct tool_command *command,
		     const char *word, unsigned *number);

#endif
