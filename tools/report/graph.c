/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extents of the disk, drawn: rows of characters, each for a part of it. */
#define _POSIX_C_SOURCE 200809L

#include "graph.h"

#include "../term/fold.h"
#include "../term/glyph.h"
#include "../term/memory.h"
#include "../term/output.h"
#include "../term/size.h"
#include "../term/watch.h"
#include "sketch.h"

#include <stdlib.h>

#define ROWS 16u
#define COLUMNS 64u
#define MIN_COLUMNS 16u
#define LABEL_COLUMNS 10
#define MIN_PART_BYTES 65536u /* of what is smaller there are fewer rows */

struct graph {
	uint64_t start, length;
	size_t columns, parts;
	uint64_t *dirty_bytes; /* of each part */
	size_t part;           /* where the last extent ended */
};

/* Extents come in order. */
static int add_extent(void *opaque, const struct qcow2bm_extent *extent)
{
	struct graph *graph = opaque;
	uint64_t at = extent->start - graph->start, end = at + extent->length;
	while (at < end) {
		uint64_t next =
			tool_sketch_begin(graph->length, graph->part + 1, graph->parts);
		next = next < end ? next : end;
		if (extent->dirty)
			graph->dirty_bytes[graph->part] += next - at;
		at = next;
		graph->part += at == tool_sketch_begin(graph->length, graph->part + 1,
						       graph->parts);
	}
	return 0;
}

static size_t choose_columns(void)
{
	size_t terminal = tool_fold_terminal(), columns = COLUMNS;
	while (terminal != 0 && columns > MIN_COLUMNS &&
	       columns + LABEL_COLUMNS + 2 > terminal)
		columns /= 2;
	return columns;
}

static size_t choose_rows(uint64_t length, size_t columns)
{
	uint64_t rows = length / (columns * MIN_PART_BYTES);
	return rows >= ROWS ? ROWS : rows == 0 ? 1 : (size_t)rows;
}

/* Each row begins with its place on the disk. */
static void add_rows(struct tool_text *text, const struct graph *graph)
{
	char size[TOOL_SIZE_TEXT];
	for (size_t i = 0; i < graph->parts; i++) {
		uint64_t begin = tool_sketch_begin(graph->length, i, graph->parts);
		uint64_t end = tool_sketch_begin(graph->length, i + 1, graph->parts);
		tool_size_format(graph->start + begin, size);
		if (i % graph->columns == 0)
			tool_text_print(text, "%*s  ", LABEL_COLUMNS, size);
		tool_text_print(text, "%s",
				tool_glyph_shade(graph->dirty_bytes[i], end - begin));
		if ((i + 1) % graph->columns == 0)
			tool_text_add(text, "\n", 1);
	}
	tool_size_format(graph->length / graph->parts, size);
	tool_text_print(
		text, "One character is %s: %s clean, %s to %s some, %s all dirty.\n",
		size, tool_glyph_shade(0, 1), tool_glyph_shade(1, UINT32_MAX),
		tool_glyph_shade(UINT32_MAX - 1, UINT32_MAX), tool_glyph_shade(1, 1));
}

int tool_graph_print(const struct tool_extents_order *order, uint64_t start,
		     uint64_t length, const char *filename)
{
	struct tool_text text = {0};
	struct qcow2bm_error err = {0};
	struct graph graph = {
		.start = start, .length = length, .columns = choose_columns()};
	graph.parts = graph.columns * choose_rows(length, graph.columns);
	graph.dirty_bytes = tool_memory_zeroed(graph.parts, sizeof(uint64_t));
	enum qcow2bm_code code = order->read(order->opaque, add_extent, &graph,
					     &order->watch->watch, &err);
	int status =
		tool_watch_status(filename, code, tool_watch_leave(order->watch), &err);
	if (status == TOOL_EXIT_DONE) {
		add_rows(&text, &graph);
		status = tool_output_text(&text);
	}
	free(graph.dirty_bytes);
	return status;
}
