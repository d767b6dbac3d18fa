/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bitmaps over the layers of a disk, a letter for each: what list and chain show draw. */
#ifndef TOOLS_REPORT_DRAWING_H
#define TOOLS_REPORT_DRAWING_H

#include "../term/text.h"

#include <qcow2bm.h>
#include <stdbool.h>

/* One line each: which layers there are, the top first, how large, and what kind. */
void tool_drawing_layers(struct tool_text *text, const struct qcow2bm_chain *chain);

/* Appends the letter of a bitmap in this state; NULL: of none. */
void tool_drawing_letter(struct tool_text *text, const enum qcow2bm_state *state);

/* The state of the bitmap that a layer has in the row; false: it has none. */
typedef bool tool_drawing_find_fn(const void *opaque, size_t layer_idx,
				  enum qcow2bm_state *state);

/* Makes a cell with the letters of a row in all layers, or its heading; the caller frees it. */
char *tool_drawing_row(const struct qcow2bm_chain *chain, tool_drawing_find_fn *find,
		       const void *opaque);
char *tool_drawing_heading(const struct qcow2bm_chain *chain);

/* What the letters mean. */
void tool_drawing_legend(struct tool_text *text);

#endif
