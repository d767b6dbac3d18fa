/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of cells, aligned for a terminal. */
#include "table.h"

#include "name.h"

#include <string.h>

static void trim_row(struct tool_text *text)
{
	while (text->used != 0 && text->bytes[text->used - 1] == ' ')
		text->used--;
	tool_text_add(text, "\n", 1);
}

void tool_table_add(struct tool_table *table, const char *cell)
{
	unsigned column = table->next;
	size_t width = tool_name_columns(cell);
	table->next = (column + 1) % table->columns;
	if (table->text == NULL) {
		if (width > table->widths[column])
			table->widths[column] = width;
		return;
	}
	size_t pad = table->widths[column] - width;
	if (column != 0)
		tool_text_add(table->text, "  ", 2);
	if (table->right[column])
		tool_text_fill(table->text, ' ', pad);
	tool_text_add(table->text, cell, strlen(cell));
	if (!table->right[column])
		tool_text_fill(table->text, ' ', pad);
	if (table->next == 0)
		trim_row(table->text);
}
