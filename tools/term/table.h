/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of cells, aligned for a terminal. */
#ifndef TOOLS_TERM_TABLE_H
#define TOOLS_TERM_TABLE_H

#include "text.h"

#include <stdbool.h>

#define TOOL_TABLE_COLUMNS 8

struct tool_table {
	unsigned columns;
	bool right[TOOL_TABLE_COLUMNS]; /* numbers stand at the right of their column */
	char **cells;                   /* row after row */
	size_t used, room;
};

/* Adds the next cell, a copy of `text`. */
void tool_table_add(struct tool_table *table, const char *text);

/* Appends all rows to `text`, without spaces at their ends, and empties the table. */
void tool_table_finish(struct tool_table *table, struct tool_text *text);

#endif
