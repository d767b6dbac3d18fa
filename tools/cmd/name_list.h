/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of checkpoints from a file, one a line. */
#ifndef TOOLS_CMD_NAME_LIST_H
#define TOOLS_CMD_NAME_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct tool_name_list {
	char **names; /* sorted, each once */
	bool *was_used;
	size_t count;
};

/* Reads the names; "-": from standard input. Empty lines are none. Prints what fails; returns an exit
 * status. The list is to be freed, also after a failure. */
int tool_name_list_read(struct tool_name_list *list, const char *filename);

/* Whether the list has the name, which is noted. */
bool tool_name_list_use(struct tool_name_list *list, const char *name);

void tool_name_list_free(struct tool_name_list *list);

#endif
