/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bitmaps of all layers of a disk, those of one name beside each other. */
#ifndef TOOLS_REPORT_MATRIX_H
#define TOOLS_REPORT_MATRIX_H

#include "json.h"

/* A bitmap of a layer. */
struct tool_matrix_cell {
	size_t layer_idx, idx;
};

/* Bitmaps of one name: cells [first, end), upper layers first. */
struct tool_matrix_row {
	size_t first, end;
};

struct tool_matrix {
	const struct qcow2bm_chain *chain;
	struct tool_inventory *layers;  /* by layer; empty for a raw one */
	struct tool_matrix_cell *cells; /* sorted by name */
	size_t cell_count;
	/* As the top has them, then those that only layers below have. */
	struct tool_matrix_row *rows;
	size_t count;
	bool bits_counted;
};

/* Measures the bitmaps of every layer, as tool_inventory_take(). The matrix is to be freed, also
 * after a failure. */
enum qcow2bm_code tool_matrix_take(struct tool_matrix *matrix,
				   const struct qcow2bm_chain *chain,
				   const struct tool_inventory_order *order,
				   const struct qcow2bm_watch *watch,
				   struct qcow2bm_error *err);
void tool_matrix_free(struct tool_matrix *matrix);

/* ---- matrix_print.c ---- */

void tool_matrix_human(struct tool_text *text, const struct tool_matrix *matrix);

/* Sets "layers" and "bitmaps" of an object that describes the image. */
void tool_matrix_set_json(json_t *object, struct tool_json_list *bitmaps,
			  const struct tool_matrix *matrix);

#endif
