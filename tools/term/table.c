/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of cells, aligned for a terminal. */
#include "table.h"

#include "fold.h"
#include "glyph.h"
#include "name.h"

#include <stdlib.h>
#include <string.h>

static void trim_row(struct tool_text *text)
{
	while (text->used != 0 && text->bytes[text->used - 1] == ' ')
		text->used--;
	tool_text_add(text, "\n", 1);
}

#define GAP 2
#define INDENT 4 /* of what stands in a line of its own */

/* Fewer columns are no room for a text, or for a name. */
#define MIN_TEXT_COLUMNS 30
#define MIN_NAME_COLUMNS 16

/* A text at a row's end is no part of what has to fit. */
static unsigned aligned_columns(const struct tool_table *table)
{
	unsigned last = table->columns - 1;
	bool is_text = !table->right[last] && table->widths[last] >= MIN_TEXT_COLUMNS;
	return table->columns - (is_text ? 1 : 0);
}

/* How wide the columns are from the one where their line begins up to `end`. */
static size_t find_width(const struct tool_table *table, unsigned end)
{
	bool is_second = table->turn != 0 && end > table->turn;
	size_t width = is_second ? INDENT : 0;
	for (unsigned i = is_second ? table->turn : 0; i < end; i++)
		width += table->widths[i] + GAP;
	return width;
}

/* The widths are known now. Names give way first. */
static void fit(struct tool_table *table)
{
	unsigned end = aligned_columns(table);
	table->is_fitted = true;
	table->terminal = tool_fold_terminal();
	if (table->terminal == 0 || end == 0)
		return;
	for (unsigned i = 0; i < end; i++) {
		size_t width = find_width(table, end) - GAP, least = MIN_NAME_COLUMNS;
		if (!table->shortens[i] || width <= table->terminal ||
		    table->widths[i] <= least)
			continue;
		size_t excess = width - table->terminal;
		bool is_enough = table->widths[i] >= least + excess;
		table->widths[i] = is_enough ? table->widths[i] - excess : least;
	}
	for (unsigned i = 1; i < end && table->turn == 0; i++)
		if (find_width(table, i + 1) - GAP > table->terminal)
			table->turn = i;
}

static void turn(struct tool_table *table)
{
	trim_row(table->text);
	tool_text_fill(table->text, ' ', INDENT);
}

/* The row's last text, in lines that fit the terminal, behind the other cells or below them. */
static void add_folded(struct tool_table *table, const char *cell)
{
	size_t before = find_width(table, table->columns - 1);
	if (before + MIN_TEXT_COLUMNS > table->terminal) {
		turn(table);
		before = INDENT;
	}
	tool_fold_add(table->text, cell, before, table->terminal);
}

/* Adds it, with spaces, unless it is wider than its column. */
static void add_cell(struct tool_table *table, unsigned column, const char *cell)
{
	size_t width = tool_name_columns(cell);
	size_t pad = width < table->widths[column] ? table->widths[column] - width : 0;
	if (table->right[column])
		tool_text_fill(table->text, ' ', pad);
	tool_text_add(table->text, cell, strlen(cell));
	if (!table->right[column])
		tool_text_fill(table->text, ' ', pad);
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
	if (!table->is_fitted)
		fit(table);
	bool is_text = table->next == 0 && !table->right[column] && width != 0;
	if (column != 0 && column == table->turn)
		turn(table);
	else if (column != 0)
		tool_text_fill(table->text, ' ', GAP);
	if (is_text && table->terminal != 0 &&
	    find_width(table, column) + width > table->terminal) {
		add_folded(table, cell);
		return;
	}
	char *shown = tool_name_shorten(
		cell, table->shortens[column] ? table->widths[column] : width,
		tool_glyph_ellipsis());
	add_cell(table, column, shown);
	free(shown);
	if (table->next == 0)
		trim_row(table->text);
}
