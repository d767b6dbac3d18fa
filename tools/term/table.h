/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of cells, aligned for a terminal. */
#ifndef TOOLS_TERM_TABLE_H
#define TOOLS_TERM_TABLE_H

#include "text.h"

#include <stdbool.h>

#define TOOL_TABLE_COLUMNS 12

/* Nothing is kept of a row, of which there may be 131070: all are added twice, first to find how
 * wide the columns are, and then, with `text` set, to be appended to it. */
struct tool_table {
	unsigned columns;
	bool right[TOOL_TABLE_COLUMNS]; /* numbers stand at the right of their column */
	struct tool_text *text;         /* NULL: the widths are found */
	size_t widths[TOOL_TABLE_COLUMNS];
	unsigned next; /* column of the next cell */
};

/* Adds the next cell of the row; without spaces at the row's end. On a terminal that is too narrow a
 * text at the row's end goes on in lines of its own. */
void tool_table_add(struct tool_table *table, const char *cell);

#endif
