/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of cells, aligned for a terminal. */
#include "table.h"

#include "fold.h"
#include "name.h"

#include <string.h>

static void trim_row(struct tool_text *text)
{
	while (text->used != 0 && text->bytes[text->used - 1] == ' ')
		text->used--;
	tool_text_add(text, "\n", 1);
}

/* Fewer columns are no room for a text. */
#define MIN_TEXT_COLUMNS 30

/* The row's last text, in lines that fit the terminal, behind the other cells or below them. */
static void add_folded(struct tool_table *table, const char *cell, size_t terminal)
{
	size_t before = 0;
	for (unsigned i = 0; i + 1 < table->columns; i++)
		before += table->widths[i] + 2;
	if (before + MIN_TEXT_COLUMNS > terminal) {
		trim_row(table->text);
		before = 4;
		tool_text_fill(table->text, ' ', before);
	}
	tool_fold_add(table->text, cell, before, terminal);
}

static bool overflows(const struct tool_table *table, size_t width, size_t terminal)
{
	for (unsigned i = 0; i + 1 < table->columns; i++)
		width += table->widths[i] + 2;
	return terminal != 0 && width > terminal;
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
	size_t terminal = table->next == 0 && !table->right[column] && width != 0
				  ? tool_fold_terminal()
				  : 0;
	if (overflows(table, width, terminal)) {
		add_folded(table, cell, terminal);
		return;
	}
	if (table->right[column])
		tool_text_fill(table->text, ' ', pad);
	tool_text_add(table->text, cell, strlen(cell));
	if (!table->right[column])
		tool_text_fill(table->text, ' ', pad);
	if (table->next == 0)
		trim_row(table->text);
}
