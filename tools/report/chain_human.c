/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checkpoints of a disk for people: what a backup can do, and a drawing of the layers. */
#include "../term/name.h"
#include "../term/size.h"
#include "../term/table.h"
#include "chain.h"

#include <stdlib.h>

/* How many layers the drawing has room for beside the names. */
#define DRAWN_LAYERS 12

static void add_escaped(struct tool_text *text, const char *bytes)
{
	char *shown = tool_name_escape_text(bytes, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s", shown);
	free(shown);
}

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
	tool_text_print(text, "Order:  not known: ");
	add_escaped(text, report->order.gap);
	tool_text_print(text, "\n");
}

/* One letter for the bitmap of a checkpoint in a layer. */
static char letter_of(const struct qcow2bm_chain *chain, size_t idx, size_t layer_idx)
{
	static const char letters[] = {
		[QCOW2BM_STATE_VALID] = 'R',          [QCOW2BM_STATE_DISABLED] = 'o',
		[QCOW2BM_STATE_IN_USE_LIVE] = 'L',    [QCOW2BM_STATE_IN_USE_STALE] = '!',
		[QCOW2BM_STATE_IN_USE_UNKNOWN] = '?', [QCOW2BM_STATE_CORRUPT] = 'X',
	};
	size_t at = qcow2bm_chain_bitmap(chain, idx, layer_idx);
	if (at == QCOW2BM_NOT_FOUND)
		return '.';
	const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, layer_idx);
	return letters[qcow2bm_bitmap_describe(layer->image, at)->state];
}

static void add_row(struct tool_table *table, const struct tool_chain_report *report,
		    size_t idx, bool reasons)
{
	const struct tool_chain_checkpoint *checkpoint = &report->checkpoints[idx];
	const struct qcow2bm_checkpoint *entry = checkpoint->entry;
	size_t layers = qcow2bm_chain_layer_count(report->chain);
	char drawing[DRAWN_LAYERS + 2], size[TOOL_SIZE_TEXT];
	size_t drawn = layers > DRAWN_LAYERS ? DRAWN_LAYERS : layers;
	for (size_t i = 0; i < drawn; i++)
		drawing[i] = letter_of(report->chain, idx, i);
	drawing[drawn] = layers > drawn ? '+' : '\0';
	drawing[drawn + 1] = '\0';
	char *name = tool_name_escape(entry->name, entry->name_bytes, TOOL_NAME_HUMAN);
	tool_size_format(checkpoint->dirty_bytes, size);
	tool_table_add(table, name);
	tool_table_add(table, drawing);
	tool_table_add(table, qcow2bm_verdict_name(checkpoint->since.verdict));
	tool_table_add(table, size);
	free(name);
	if (!reasons)
		return;
	const char *why = checkpoint->reason;
	if (why == NULL)
		why = checkpoint->since.is_superset ? "at most: the order is not known"
		      : entry->is_tie               ? "as much as the one before"
						    : "";
	char *shown = tool_name_escape_text(why, TOOL_NAME_HUMAN);
	tool_table_add(table, shown);
	free(shown);
}

static void add_rows(struct tool_table *table, const struct tool_chain_report *report,
		     bool reasons)
{
	tool_table_add(table, "CHECKPOINT");
	tool_table_add(table, "LAYERS");
	tool_table_add(table, "BACKUP");
	tool_table_add(table, "BYTES");
	if (reasons)
		tool_table_add(table, "WHY");
	for (size_t i = 0; i < report->count; i++)
		add_row(table, report, i, reasons);
}

static bool has_reasons(const struct tool_chain_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->checkpoints[i].reason != NULL ||
		    report->checkpoints[i].since.is_superset ||
		    report->checkpoints[i].entry->is_tie)
			return true;
	return false;
}

static void add_layers(struct tool_text *text, const struct tool_chain_report *report)
{
	size_t layers = qcow2bm_chain_layer_count(report->chain);
	for (size_t i = 0; i < layers; i++) {
		char size[TOOL_SIZE_TEXT];
		const struct qcow2bm_layer *layer = qcow2bm_chain_layer(report->chain, i);
		tool_size_format(layer->virtual_bytes, size);
		tool_text_print(text, "%s%zu ", i == 0 ? "Layers: " : "        ", i);
		add_escaped(text, layer->filename);
		tool_text_print(text, " (%s%s)\n", size,
				layer->image == NULL ? ", raw: it can hold no bitmaps"
						     : "");
	}
}

void tool_chain_human(struct tool_text *text, const struct tool_chain_report *report)
{
	bool reasons = has_reasons(report);
	struct tool_table table = {.columns = 4 + (unsigned)reasons,
				   .right = {[3] = true}};
	if (text->used != 0)
		tool_text_print(text, "\n");
	tool_text_print(text, "Disk:   ");
	add_escaped(text, report->filename);
	tool_text_print(text, "\n");
	add_layers(text, report);
	add_scheme(text, report);
	if (report->count == 0)
		return;
	add_rows(&table, report, reasons);
	table.text = text;
	add_rows(&table, report, reasons);
}
