/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bitmaps of images in rows: which columns, in which order, aligned or with tabs. */
#include "columns.h"

#include "../term/choice.h"
#include "../term/fold.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/size.h"
#include "state.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Which columns ---- */

static const char *const words[] = {
	[TOOL_COLUMN_IMAGE] = "image", [TOOL_COLUMN_SIZE] = "size",
	[TOOL_COLUMN_NAME] = "name",   [TOOL_COLUMN_GRANULARITY] = "granularity",
	[TOOL_COLUMN_FLAGS] = "flags", [TOOL_COLUMN_STATE] = "state",
	[TOOL_COLUMN_DIRTY] = "dirty", [TOOL_COLUMN_STORED] = "stored",
	[TOOL_COLUMN_GRAPH] = "graph", [TOOL_COLUMN_WHY] = "why",
};

const char *tool_columns_word(unsigned number)
{
	return number < TOOL_COLUMN_COUNT ? words[number] : NULL;
}

int tool_columns_take(struct tool_columns *columns, const struct tool_command *command,
		      const char *list)
{
	static const struct tool_choice choice = {"--columns", "column",
						  tool_columns_word};
	columns->count = 0;
	while (list != NULL) {
		unsigned number;
		int status = tool_choice_next(&choice, command, &list, &number);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
		for (unsigned i = 0; i < columns->count; i++)
			if (columns->shown[i] == number)
				return tool_message_usage(command,
							  "option --columns: '%s' stands "
							  "there twice",
							  words[number]);
		columns->shown[columns->count++] = (enum tool_column)number;
	}
	return TOOL_OPTIONS_GO_ON;
}

bool tool_columns_has(const struct tool_columns *columns, enum tool_column column)
{
	bool found = false;
	for (unsigned i = 0; i < columns->count; i++)
		found |= columns->shown[i] == column;
	return found;
}

int tool_columns_take_keys(struct tool_columns *columns,
			   const struct tool_command *command, const char *list)
{
	static const struct tool_choice choice = {"--sort", "column", tool_columns_word};
	columns->key_count = 0;
	while (list != NULL) {
		unsigned number;
		bool is_descending = *list == '-';
		list += is_descending;
		int status = tool_choice_next(&choice, command, &list, &number);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
		/* one that stands there again decides nothing */
		if (columns->key_count < TOOL_COLUMN_COUNT)
			columns->keys[columns->key_count++] = (struct tool_columns_key){
				(enum tool_column)number, is_descending};
	}
	return TOOL_OPTIONS_GO_ON;
}

/* ---- Their order ---- */

/* A bitmap while they are sorted. */
struct sorted {
	const struct tool_columns *columns;
	size_t idx; /* among those that were selected */
	struct tool_inventory_bitmap bitmap;
};

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_names(const struct qcow2bm_bitmap *a, const struct qcow2bm_bitmap *b)
{
	size_t shorter = a->name_bytes < b->name_bytes ? a->name_bytes : b->name_bytes;
	int order = shorter == 0 ? 0 : memcmp(a->name, b->name, shorter);
	return order != 0 ? order : compare_numbers(a->name_bytes, b->name_bytes);
}

static int compare_texts(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b);
}

/* What was not measured counts as nothing. */
static int compare_by(enum tool_column column, const struct tool_inventory_bitmap *a,
		      const struct tool_inventory_bitmap *b)
{
	switch (column) {
	case TOOL_COLUMN_NAME:
		return compare_names(&a->entry, &b->entry);
	case TOOL_COLUMN_GRANULARITY:
		return compare_numbers(a->entry.granularity_bits,
				       b->entry.granularity_bits);
	case TOOL_COLUMN_FLAGS:
		return compare_numbers(a->entry.in_use * 2u + a->entry.recording,
				       b->entry.in_use * 2u + b->entry.recording);
	case TOOL_COLUMN_STATE:
		return compare_numbers(a->entry.state, b->entry.state);
	case TOOL_COLUMN_DIRTY:
		return compare_numbers(a->measure.dirty_bytes, b->measure.dirty_bytes);
	case TOOL_COLUMN_STORED:
		return compare_numbers(a->measure.stored_bytes, b->measure.stored_bytes);
	case TOOL_COLUMN_WHY:
		return compare_texts(a->problem, b->problem);
	case TOOL_COLUMN_IMAGE:
	case TOOL_COLUMN_SIZE:
	case TOOL_COLUMN_GRAPH:
	case TOOL_COLUMN_COUNT:
		break;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	for (unsigned i = 0; i < x->columns->key_count; i++) {
		const struct tool_columns_key *key = &x->columns->keys[i];
		int order = compare_by(key->column, &x->bitmap, &y->bitmap);
		if (order != 0)
			return key->is_descending ? -order : order;
	}
	return compare_numbers(x->idx, y->idx);
}

void tool_columns_sort(const struct tool_columns *columns,
		       const struct tool_columns_image *image)
{
	struct tool_inventory *survey = image->survey;
	if (columns->key_count == 0)
		return;
	struct sorted *all = tool_memory_zeroed(survey->count, sizeof(*all));
	for (size_t i = 0; i < survey->count; i++)
		all[i] = (struct sorted){columns, i, survey->bitmaps[i]};
	qsort(all, survey->count, sizeof(*all), compare);
	for (size_t i = 0; i < survey->count; i++)
		survey->bitmaps[i] = all[i].bitmap;
	free(all);
}

/* ---- Cells ---- */

static void add_size(const struct tool_columns *columns, struct tool_text *cell,
		     bool known, uint64_t bytes)
{
	char size[TOOL_SIZE_TEXT];
	if (!known)
		return;
	tool_size_format(bytes, size);
	if (columns->bytes)
		tool_text_print(cell, "%" PRIu64, bytes);
	else
		tool_text_print(cell, "%s", size);
}

static void add_escaped(struct tool_text *cell, const char *text)
{
	char *shown = tool_name_escape_text(text == NULL ? "" : text, TOOL_NAME_HUMAN);
	tool_text_print(cell, "%s", shown);
	free(shown);
}

static void add_name(struct tool_text *cell, const struct qcow2bm_bitmap *entry)
{
	char *name = tool_name_escape(entry->name, entry->name_bytes, TOOL_NAME_HUMAN);
	tool_text_print(cell, "%s", name);
	free(name);
}

static void add_state(const struct tool_columns *columns, struct tool_text *cell,
		      enum qcow2bm_state state)
{
	const char *word = tool_state_word(state);
	enum tool_colour colour =
		columns->tabs ? TOOL_COLOUR_NONE : tool_state_colour(state);
	tool_colour_add(cell, colour, word, strlen(word));
}

/* Nothing where there is nothing to tell. */
static void add_content(const struct tool_columns *columns, struct tool_text *cell,
			const struct tool_columns_image *image,
			const struct tool_inventory_bitmap *bitmap,
			enum tool_column column)
{
	const struct qcow2bm_bitmap *entry = &bitmap->entry;
	switch (column) {
	case TOOL_COLUMN_IMAGE:
		add_escaped(cell, image->filename);
		break;
	case TOOL_COLUMN_SIZE:
		add_size(columns, cell, true, image->virtual_bytes);
		break;
	case TOOL_COLUMN_NAME:
		add_name(cell, entry);
		break;
	case TOOL_COLUMN_GRANULARITY:
		add_size(columns, cell, entry->granularity_bits < 64,
			 (uint64_t)1 << (entry->granularity_bits & 63));
		break;
	case TOOL_COLUMN_FLAGS:
		tool_text_print(cell, "%s%s%s", entry->in_use ? "in-use" : "",
				entry->in_use && entry->recording ? "," : "",
				entry->recording ? "auto" : "");
		break;
	case TOOL_COLUMN_STATE:
		add_state(columns, cell, entry->state);
		break;
	case TOOL_COLUMN_DIRTY:
		add_size(columns, cell, bitmap->measured && image->survey->bits_counted,
			 bitmap->measure.dirty_bytes);
		break;
	case TOOL_COLUMN_STORED:
		add_size(columns, cell, bitmap->measured, bitmap->measure.stored_bytes);
		break;
	case TOOL_COLUMN_GRAPH:
		if (bitmap->measured && image->survey->has_sketches)
			tool_sketch_add(cell, &bitmap->sketch, columns->graph_columns);
		break;
	case TOOL_COLUMN_WHY:
		add_escaped(cell, bitmap->problem);
		break;
	case TOOL_COLUMN_COUNT:
		break;
	}
}

/* ---- Rows ---- */

static bool has_problems(const struct tool_inventory *survey)
{
	for (size_t i = 0; i < survey->count; i++)
		if (survey->bitmaps[i].problem != NULL)
			return true;
	return false;
}

/* For scripts always the same ones. */
static void choose_usual(struct tool_columns *columns,
			 const struct tool_inventory *survey)
{
	bool all = columns->tabs;
	if (all)
		columns->shown[columns->count++] = TOOL_COLUMN_IMAGE;
	columns->shown[columns->count++] = TOOL_COLUMN_NAME;
	columns->shown[columns->count++] = TOOL_COLUMN_GRANULARITY;
	columns->shown[columns->count++] = TOOL_COLUMN_STATE;
	if (all || survey->bits_counted)
		columns->shown[columns->count++] = TOOL_COLUMN_DIRTY;
	columns->shown[columns->count++] = TOOL_COLUMN_STORED;
	if (!all && survey->has_sketches)
		columns->shown[columns->count++] = TOOL_COLUMN_GRAPH;
	if (all || has_problems(survey))
		columns->shown[columns->count++] = TOOL_COLUMN_WHY;
}

static bool is_number(enum tool_column column)
{
	return column == TOOL_COLUMN_SIZE || column == TOOL_COLUMN_GRANULARITY ||
	       column == TOOL_COLUMN_DIRTY || column == TOOL_COLUMN_STORED;
}

/* An empty text at the end of an aligned row is none; elsewhere a field is never empty. */
static void add_cell(const struct tool_columns *columns, struct tool_table *table,
		     const struct tool_columns_image *image, size_t row, unsigned i)
{
	struct tool_text cell = {0};
	bool is_last = i + 1 == columns->count;
	bool may_be_empty =
		columns->shown[i] == TOOL_COLUMN_WHY && !columns->tabs && is_last;
	add_content(columns, &cell, image, &image->survey->bitmaps[row],
		    columns->shown[i]);
	if (cell.used == 0 && !may_be_empty)
		tool_text_print(&cell, "-");
	if (columns->tabs)
		tool_text_print(table->text, "%s%c", cell.bytes, is_last ? '\n' : '\t');
	else
		tool_table_add(table, cell.used == 0 ? "" : cell.bytes);
	tool_text_free(&cell);
}

static void add_heading(const struct tool_columns *columns, struct tool_table *table)
{
	for (unsigned i = 0; i < columns->count; i++) {
		struct tool_text cell = {0};
		for (const char *c = words[columns->shown[i]]; *c != '\0'; c++)
			tool_text_print(&cell, "%c", toupper((unsigned char)*c));
		tool_table_add(table, cell.bytes);
		tool_text_free(&cell);
	}
}

static void add_rows(const struct tool_columns *columns, struct tool_table *table,
		     const struct tool_columns_image *image)
{
	if (!columns->no_headings && !columns->tabs)
		add_heading(columns, table);
	for (size_t row = 0; row < image->survey->count; row++)
		for (unsigned i = 0; i < columns->count; i++)
			add_cell(columns, table, image, row, i);
}

static struct tool_table make_table(const struct tool_columns *columns)
{
	struct tool_table table = {.columns = columns->count};
	for (unsigned i = 0; i < columns->count; i++) {
		table.right[i] = is_number(columns->shown[i]);
		table.shortens[i] = columns->shown[i] == TOOL_COLUMN_NAME ||
				    columns->shown[i] == TOOL_COLUMN_IMAGE;
	}
	return table;
}

/* Drawings take what the other columns leave, or a line of their own; reasons go below. */
static void choose_graph(struct tool_columns *columns,
			 const struct tool_columns_image *image)
{
	size_t terminal = tool_fold_terminal(), width = 0;
	struct tool_table table = make_table(columns);
	columns->graph_columns = TOOL_SKETCH_PARTS;
	if (columns->tabs)
		return;
	add_rows(columns, &table, image);
	for (unsigned i = 0; i < columns->count; i++)
		if (columns->shown[i] != TOOL_COLUMN_GRAPH &&
		    columns->shown[i] != TOOL_COLUMN_WHY)
			width += table.widths[i] + 2;
	terminal = terminal != 0 ? terminal : TOOL_FOLD_COLUMNS;
	if (width + TOOL_SKETCH_PARTS / 4 > terminal)
		width = 4;
	columns->graph_columns =
		tool_sketch_columns(terminal > width ? terminal - width : 0);
}

void tool_columns_print(const struct tool_columns *given, struct tool_text *text,
			const struct tool_columns_image *image)
{
	struct tool_columns columns = *given;
	if (columns.count == 0)
		choose_usual(&columns, image->survey);
	if (tool_columns_has(&columns, TOOL_COLUMN_GRAPH))
		choose_graph(&columns, image);
	struct tool_table table = make_table(&columns);
	if (!columns.tabs)
		add_rows(&columns, &table, image);
	table.text = text;
	add_rows(&columns, &table, image);
}
