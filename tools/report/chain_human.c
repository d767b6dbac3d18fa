/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checkpoints of a disk for people: what a backup can do, and a drawing of the layers. */
#include "../term/colour.h"
#include "../term/fold.h"
#include "../term/name.h"
#include "../term/size.h"
#include "../term/table.h"
#include "chain.h"
#include "drawing.h"

#include <stdlib.h>
#include <string.h>

static void add_escaped(struct tool_text *text, const char *bytes)
{
	char *shown = tool_name_escape_text(bytes, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s", shown);
	free(shown);
}

/* How the checkpoints hang together, and what tells so. */
static void add_scheme(struct tool_text *text, const struct tool_chain_report *report)
{
	static const char *const why[] = {
		[QCOW2BM_SCHEME_NONE] = "no checkpoints",
		[QCOW2BM_SCHEME_ANY] = "one checkpoint: both schemes are the same",
		[QCOW2BM_SCHEME_NESTED] =
			"nested: several checkpoints record in the top layer",
		[QCOW2BM_SCHEME_DELTA] = "delta: only the newest checkpoint records",
		[QCOW2BM_SCHEME_UNKNOWN] =
			"unknown: no checkpoint records in the top layer",
	};
	static const char *const order[] = {
		[QCOW2BM_WITNESS_NONE] = NULL,
		[QCOW2BM_WITNESS_GIVEN] = "as given",
		[QCOW2BM_WITNESS_NAMES] = "by names",
		[QCOW2BM_WITNESS_FLAGS] = "the newest is the one that records",
		[QCOW2BM_WITNESS_BITS] = "by bits, each has all of the next one's",
		[QCOW2BM_WITNESS_ONE] = NULL,
	};
	tool_text_print(text, "Scheme: %s\n",
			report->order.scheme_is_given
				? qcow2bm_scheme_name(report->order.scheme)
				: why[report->order.scheme]);
	if (order[report->order.witness] != NULL)
		tool_text_print(text, "Order:  %s, the oldest first\n",
				order[report->order.witness]);
	if (report->order.gap == NULL)
		return;
	char *gap = tool_name_escape_text(report->order.gap, TOOL_NAME_HUMAN);
	tool_text_print(text, "Order:  not known: ");
	tool_fold_add(text, gap, 19, TOOL_FOLD_COLUMNS);
	free(gap);
}

struct row {
	const struct tool_chain_report *report;
	size_t idx;
};

static bool find_bitmap(const void *opaque, size_t layer_idx, enum qcow2bm_state *state)
{
	const struct row *row = opaque;
	const struct qcow2bm_chain *chain = row->report->chain;
	size_t idx = qcow2bm_chain_bitmap(chain, row->idx, layer_idx);
	if (idx == QCOW2BM_NOT_FOUND)
		return false;
	*state =
		qcow2bm_bitmap_describe(qcow2bm_chain_layer(chain, layer_idx)->image, idx)
			->state;
	return true;
}

static char *verdict_cell(enum qcow2bm_verdict verdict)
{
	static const enum tool_colour colours[] = {
		[QCOW2BM_VERDICT_INCREMENTAL] = TOOL_COLOUR_GOOD,
		[QCOW2BM_VERDICT_REPAIR] = TOOL_COLOUR_DOUBT,
		[QCOW2BM_VERDICT_FULL] = TOOL_COLOUR_BAD,
	};
	struct tool_text text = {0};
	const char *name = qcow2bm_verdict_name(verdict);
	tool_colour_add(&text, colours[verdict], name, strlen(name));
	return text.bytes;
}

static void add_cell(struct tool_table *table, char *cell)
{
	tool_table_add(table, cell);
	free(cell);
}

static void add_row(struct tool_table *table, const struct tool_chain_report *report,
		    size_t idx)
{
	const struct tool_chain_checkpoint *checkpoint = &report->checkpoints[idx];
	const struct row row = {report, idx};
	char size[TOOL_SIZE_TEXT];
	tool_size_format(checkpoint->dirty_bytes, size);
	add_cell(table, tool_name_escape(checkpoint->entry->name,
					 checkpoint->entry->name_bytes, TOOL_NAME_HUMAN));
	add_cell(table, tool_drawing_row(report->chain, find_bitmap, &row));
	add_cell(table, verdict_cell(checkpoint->since.verdict));
	tool_table_add(table, size);
}

static void add_rows(struct tool_table *table, const struct tool_chain_report *report)
{
	tool_table_add(table, "CHECKPOINT");
	add_cell(table, tool_drawing_heading(report->chain));
	tool_table_add(table, "BACKUP");
	tool_table_add(table, "BYTES");
	for (size_t i = 0; i < report->count; i++)
		add_row(table, report, i);
}

/* What is to be said of a checkpoint beside its row, or NULL. */
static const char *find_note(const struct tool_chain_checkpoint *checkpoint)
{
	if (checkpoint->reason != NULL)
		return checkpoint->reason;
	if (checkpoint->since.is_superset)
		return "at most: the order is not known";
	return checkpoint->entry->is_tie ? "as much as the one before" : NULL;
}

static bool is_same_note(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* One sentence for checkpoints that follow each other, of which it is true alike. */
static void add_note(struct tool_text *text, const struct qcow2bm_checkpoint *first,
		     const struct qcow2bm_checkpoint *last, const char *note)
{
	struct tool_text line = {0};
	char *begin = tool_name_escape(first->name, first->name_bytes, TOOL_NAME_HUMAN);
	char *end = tool_name_escape(last->name, last->name_bytes, TOOL_NAME_HUMAN);
	char *shown = tool_name_escape_text(note, TOOL_NAME_HUMAN);
	tool_text_print(&line, "%s%s%s: %s", begin, first == last ? "" : " to ",
			first == last ? "" : end, shown);
	tool_fold_add(text, line.bytes, 4, TOOL_FOLD_COLUMNS);
	tool_text_free(&line);
	free(begin);
	free(end);
	free(shown);
}

static void add_notes(struct tool_text *text, const struct tool_chain_report *report)
{
	bool is_first = true;
	for (size_t i = 0, end; i < report->count; i = end) {
		const char *note = find_note(&report->checkpoints[i]);
		end = i + 1;
		while (end < report->count &&
		       is_same_note(note, find_note(&report->checkpoints[end])))
			end++;
		if (note == NULL)
			continue;
		tool_text_print(text, "%s  ", is_first ? "Why:\n" : "");
		add_note(text, report->checkpoints[i].entry,
			 report->checkpoints[end - 1].entry, note);
		is_first = false;
	}
}

void tool_chain_human(struct tool_text *text, const struct tool_chain_report *report)
{
	struct tool_table table = {
		.columns = 4, .right = {[3] = true}, .shortens = {true}};
	if (text->used != 0)
		tool_text_print(text, "\n");
	tool_text_print(text, "Disk:   ");
	add_escaped(text, report->filename);
	tool_text_print(text, "\n");
	tool_drawing_layers(text, report->chain);
	add_scheme(text, report);
	if (report->count == 0)
		return;
	add_rows(&table, report);
	table.text = text;
	add_rows(&table, report);
	add_notes(text, report);
}
