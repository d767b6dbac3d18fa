/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of cells, aligned for a terminal. */
#include "table.h"

#include "memory.h"
#include "name.h"

#include <stdlib.h>
#include <string.h>

void tool_table_add(struct tool_table *table, const char *text)
{
	if (table->used == table->room) {
		table->room = table->room * 2 + 64;
		table->cells =
			tool_memory_resize(table->cells, table->room, sizeof(char *));
	}
	table->cells[table->used++] = tool_memory_copy(text, strlen(text));
}

static void measure_columns(const struct tool_table *table,
			    size_t widths[TOOL_TABLE_COLUMNS])
{
	memset(widths, 0, TOOL_TABLE_COLUMNS * sizeof(widths[0]));
	for (size_t i = 0; i < table->used; i++) {
		size_t width = tool_name_columns(table->cells[i]);
		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
}

static void trim_row(struct tool_text *text)
{
	while (text->used != 0 && text->bytes[text->used - 1] == ' ')
		text->used--;
	tool_text_add(text, "\n", 1);
}

void tool_table_finish(struct tool_table *table, struct tool_text *text)
{
	size_t widths[TOOL_TABLE_COLUMNS];
	measure_columns(table, widths);
	for (size_t i = 0; i < table->used; i++) {
		size_t column = i % table->columns;
		const char *cell = table->cells[i];
		size_t pad = widths[column] - tool_name_columns(cell);
		if (column != 0)
			tool_text_add(text, "  ", 2);
		if (table->right[column])
			tool_text_fill(text, ' ', pad);
		tool_text_add(text, cell, strlen(cell));
		if (!table->right[column])
			tool_text_fill(text, ' ', pad);
		if (column + 1 == table->columns)
			trim_row(text);
		free(table->cells[i]);
	}
	free(table->cells);
	table->cells = NULL;
	table->used = table->room = 0;
}
