/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bitmaps of all layers of a disk, those of one name beside each other. */
#include "matrix.h"

#include "../term/memory.h"

#include <stdlib.h>
#include <string.h>

/* A bitmap while they are sorted. */
struct named {
	const struct qcow2bm_bitmap *entry;
	struct tool_matrix_cell cell;
};

static int compare_cells(const struct tool_matrix_cell *a,
			 const struct tool_matrix_cell *b)
{
	if (a->layer_idx != b->layer_idx)
		return a->layer_idx < b->layer_idx ? -1 : 1;
	return (a->idx > b->idx) - (a->idx < b->idx);
}

static int compare_names(const struct qcow2bm_bitmap *a, const struct qcow2bm_bitmap *b)
{
	size_t shorter = a->name_bytes < b->name_bytes ? a->name_bytes : b->name_bytes;
	int order = shorter == 0 ? 0 : memcmp(a->name, b->name, shorter);
	return order != 0 ? order
			  : (a->name_bytes > b->name_bytes) -
				    (a->name_bytes < b->name_bytes);
}

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = compare_names(x->entry, y->entry);
	return order != 0 ? order : compare_cells(&x->cell, &y->cell);
}

/* A row while they are sorted: by the place of its uppermost bitmap. */
struct placed {
	struct tool_matrix_cell first_cell;
	struct tool_matrix_row row;
};

static int compare_placed(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	return compare_cells(&x->first_cell, &y->first_cell);
}

static struct named *list_all(const struct tool_matrix *matrix)
{
	struct named *all = tool_memory_zeroed(matrix->cell_count + 1, sizeof(*all));
	size_t count = 0;
	for (size_t k = 0; k < qcow2bm_chain_layer_count(matrix->chain); k++)
		for (size_t i = 0; i < matrix->layers[k].count; i++)
			all[count++] = (struct named){
				.entry = &matrix->layers[k].bitmaps[i].entry,
				.cell = {k, i},
			};
	qsort(all, count, sizeof(*all), compare_named);
	return all;
}

static void make_rows(struct tool_matrix *matrix)
{
	struct named *all = list_all(matrix);
	struct placed *placed =
		tool_memory_zeroed(matrix->cell_count + 1, sizeof(*placed));
	matrix->cells =
		tool_memory_zeroed(matrix->cell_count + 1, sizeof(*matrix->cells));
	for (size_t i = 0; i < matrix->cell_count; i++) {
		bool is_new =
			i == 0 || compare_names(all[i - 1].entry, all[i].entry) != 0;
		matrix->cells[i] = all[i].cell;
		if (is_new)
			placed[matrix->count++] = (struct placed){all[i].cell, {i, i}};
		placed[matrix->count - 1].row.end = i + 1;
	}
	free(all);
	qsort(placed, matrix->count, sizeof(*placed), compare_placed);
	matrix->rows = tool_memory_zeroed(matrix->count + 1, sizeof(*matrix->rows));
	for (size_t i = 0; i < matrix->count; i++)
		matrix->rows[i] = placed[i].row;
	free(placed);
}

enum qcow2bm_code tool_matrix_take(struct tool_matrix *matrix,
				   const struct qcow2bm_chain *chain,
				   const struct tool_inventory_order *order,
				   const struct qcow2bm_watch *watch,
				   struct qcow2bm_error *err)
{
	size_t layers = qcow2bm_chain_layer_count(chain);
	*matrix = (struct tool_matrix){
		.chain = chain,
		.layers = tool_memory_zeroed(layers, sizeof(*matrix->layers)),
		.bits_counted = order->count_bits,
	};
	for (size_t k = 0; k < layers; k++) {
		struct qcow2bm_image *image = qcow2bm_chain_layer(chain, k)->image;
		if (image == NULL)
			continue;
		enum qcow2bm_code code =
			tool_inventory_take(&matrix->layers[k], image, order, watch, err);
		if (code != QCOW2BM_OK)
			return code;
		matrix->cell_count += matrix->layers[k].count;
	}
	make_rows(matrix);
	return QCOW2BM_OK;
}

void tool_matrix_free(struct tool_matrix *matrix)
{
	size_t layers =
		matrix->chain == NULL ? 0 : qcow2bm_chain_layer_count(matrix->chain);
	for (size_t k = 0; k < layers; k++)
		tool_inventory_free(&matrix->layers[k]);
	free(matrix->layers);
	free(matrix->cells);
	free(matrix->rows);
	*matrix = (struct tool_matrix){.chain = NULL};
}
