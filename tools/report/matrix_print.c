/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The matrix of bitmaps by layers, for people and as JSON. */
#include "../term/fold.h"
#include "../term/name.h"
#include "../term/size.h"
#include "../term/table.h"
#include "drawing.h"
#include "matrix.h"

#include <stdlib.h>

/* A row, as the drawing asks for it. */
struct position {
	const struct tool_matrix *matrix;
	const struct tool_matrix_row *row;
};

static const struct tool_inventory_bitmap *bitmap_of(const struct tool_matrix *matrix,
						     const struct tool_matrix_cell *cell)
{
	return &matrix->layers[cell->layer_idx].bitmaps[cell->idx];
}

/* The first of one name, where a damaged image has two in one layer; NULL for none. */
static const struct tool_inventory_bitmap *find_bitmap(const struct position *position,
						       size_t layer_idx)
{
	for (size_t i = position->row->first; i < position->row->end; i++)
		if (position->matrix->cells[i].layer_idx == layer_idx)
			return bitmap_of(position->matrix, &position->matrix->cells[i]);
	return NULL;
}

static bool find_state(const void *opaque, size_t layer_idx, enum qcow2bm_state *state)
{
	const struct tool_inventory_bitmap *bitmap = find_bitmap(opaque, layer_idx);
	if (bitmap != NULL)
		*state = bitmap->entry.state;
	return bitmap != NULL;
}

/* One size where all layers have the same, else from the least to the most. */
static void add_granularity(struct tool_table *table, const struct position *position)
{
	unsigned least = 64, most = 0;
	char low[TOOL_SIZE_TEXT], high[TOOL_SIZE_TEXT];
	struct tool_text text = {0};
	for (size_t i = position->row->first; i < position->row->end; i++) {
		unsigned bits = bitmap_of(position->matrix, &position->matrix->cells[i])
					->entry.granularity_bits;
		if (bits < least)
			least = bits;
		if (bits < 64 && bits > most)
			most = bits;
	}
	tool_size_format((uint64_t)1 << (least & 63), low);
	tool_size_format((uint64_t)1 << most, high);
	tool_text_print(&text, "%s%s%s", least < 64 ? low : "-", least < most ? "-" : "",
			least < most ? high : "");
	tool_table_add(table, text.bytes);
	tool_text_free(&text);
}

/* The letter, and how much is dirty where that was counted. */
static void add_cell(struct tool_table *table, const struct position *position,
		     size_t layer_idx)
{
	struct tool_text text = {0};
	const struct tool_inventory_bitmap *bitmap = find_bitmap(position, layer_idx);
	tool_drawing_letter(&text, bitmap != NULL ? &bitmap->entry.state : NULL);
	if (bitmap != NULL) {
		char size[TOOL_SIZE_TEXT] = "-";
		if (bitmap->measured)
			tool_size_format(bitmap->measure.dirty_bytes, size);
		tool_text_print(&text, " %s", size);
	}
	tool_table_add(table, text.bytes);
	tool_text_free(&text);
}

static void add_letters(struct tool_table *table, const struct position *position)
{
	char *letters = tool_drawing_row(position->matrix->chain, find_state, position);
	tool_table_add(table, letters);
	free(letters);
}

static void add_heading(struct tool_table *table, const struct tool_matrix *matrix,
			bool sizes)
{
	tool_table_add(table, "NAME");
	tool_table_add(table, "GRANULARITY");
	size_t layers = qcow2bm_chain_layer_count(matrix->chain);
	for (size_t k = 0; sizes && k < layers; k++) {
		struct tool_text text = {0};
		tool_text_print(&text, "%zu", k);
		tool_table_add(table, text.bytes);
		tool_text_free(&text);
	}
	if (sizes)
		return;
	char *heading = tool_drawing_heading(matrix->chain);
	tool_table_add(table, heading);
	free(heading);
}

static void add_rows(struct tool_table *table, const struct tool_matrix *matrix,
		     bool sizes)
{
	size_t layers = qcow2bm_chain_layer_count(matrix->chain);
	add_heading(table, matrix, sizes);
	for (size_t i = 0; i < matrix->count; i++) {
		const struct position position = {matrix, &matrix->rows[i]};
		const struct qcow2bm_bitmap *entry =
			&bitmap_of(matrix, &matrix->cells[matrix->rows[i].first])->entry;
		char *name =
			tool_name_escape(entry->name, entry->name_bytes, TOOL_NAME_HUMAN);
		tool_table_add(table, name);
		free(name);
		add_granularity(table, &position);
		if (!sizes)
			add_letters(table, &position);
		for (size_t k = 0; sizes && k < layers; k++)
			add_cell(table, &position, k);
	}
}

/* How wide the table is with the sizes of dirty ranges. */
static size_t find_width(struct tool_table *table, const struct tool_matrix *matrix)
{
	size_t width = 0;
	add_rows(table, matrix, true);
	for (unsigned i = 0; i < table->columns; i++)
		width += table->widths[i] + (i == 0 ? 0 : 2);
	return width;
}

void tool_matrix_human(struct tool_text *text, const struct tool_matrix *matrix)
{
	size_t layers = qcow2bm_chain_layer_count(matrix->chain);
	struct tool_table table = {.columns = (unsigned)(2 + layers), .shortens = {true}};
	bool sizes = matrix->bits_counted && 2 + layers <= TOOL_TABLE_COLUMNS &&
		     find_width(&table, matrix) <= TOOL_FOLD_COLUMNS;
	if (!sizes) {
		table = (struct tool_table){.columns = 3, .shortens = {true}};
		add_rows(&table, matrix, false);
	}
	table.text = text;
	add_rows(&table, matrix, sizes);
}

static json_t *make_row(const void *opaque, size_t number)
{
	const struct tool_matrix *matrix = opaque;
	const struct tool_matrix_row *row = &matrix->rows[number];
	const struct qcow2bm_bitmap *first =
		&bitmap_of(matrix, &matrix->cells[row->first])->entry;
	json_t *object = json_object(), *layers = json_array();
	json_object_set_new(object, "name",
			    tool_json_name(first->name, first->name_bytes));
	for (size_t i = row->first; i < row->end; i++) {
		json_t *one = json_object();
		json_object_set_new(
			one, "layer",
			tool_json_number((uint64_t)matrix->cells[i].layer_idx));
		json_t *rest = tool_json_bitmap(bitmap_of(matrix, &matrix->cells[i]),
						matrix->bits_counted);
		json_object_update(one, rest);
		json_object_del(one, "name");
		json_decref(rest);
		json_array_append_new(layers, one);
	}
	json_object_set_new(object, "layers", layers);
	return object;
}

void tool_matrix_set_json(json_t *object, struct tool_json_list *bitmaps,
			  const struct tool_matrix *matrix)
{
	json_object_set_new(object, "layers", tool_json_layers(matrix->chain));
	*bitmaps = (struct tool_json_list){
		.count = matrix->count, .make = make_row, .opaque = matrix};
	tool_json_set_list(object, "bitmaps", bitmaps);
}
