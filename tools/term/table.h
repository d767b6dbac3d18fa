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
	bool shortens[TOOL_TABLE_COLUMNS]; /* names, where the terminal is too narrow */
	struct tool_text *text;            /* NULL: the widths are found */
	size_t widths[TOOL_TABLE_COLUMNS];
	unsigned next;   /* column of the next cell */
	bool is_fitted;  /* to the terminal, the rest too: */
	size_t terminal; /* its columns; 0: there is none */
	unsigned
		turn; /* rows go on in a line of their own from this column; 0: they do not */
};

/* Adds the next cell of the row; without spaces at the row's end. On a terminal that is too narrow
 * names are shortened in their middle, to no less than 16 columns; cells that have no room then stand
 * in a second line, and a text at the row's end goes on in lines of its own. */
void tool_table_add(struct tool_table *table, const char *cell);

#endif
