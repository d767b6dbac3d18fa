/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to type against a finding about checkpoints. No command makes a range clean that may have
 * changed: what nobody can tell any more is deleted, and the next backup is a full one. */
#include "../term/name.h"
#include "../term/word.h"
#include "verify.h"

#include <stdlib.h>

static void add_name(struct tool_text *text, const char *name, size_t name_bytes)
{
	char *shown = tool_name_escape(name, name_bytes, TOOL_NAME_HUMAN);
	tool_word_add(text, shown);
	free(shown);
}

static void add_checkpoint(struct tool_text *text,
			   const struct tool_verify_report *report, size_t idx)
{
	const struct qcow2bm_checkpoint *checkpoint;
	if (idx == QCOW2BM_NOT_FOUND)
		return;
	checkpoint = qcow2bm_chain_checkpoint(report->chain, idx);
	tool_text_print(text, " -c");
	add_name(text, checkpoint->name, checkpoint->name_bytes);
}

/* The oldest first: in the delta scheme each has none before it then. */
static void add_chain_delete(struct tool_text *text,
			     const struct tool_verify_report *report,
			     const struct qcow2bm_finding *finding)
{
	bool is_older = finding->cure == QCOW2BM_CHAIN_CURE_DELETE_OLDER;
	tool_text_print(text, "qcow2bm chain delete%s", report->options);
	for (size_t i = is_older ? 0 : finding->idx; i <= finding->idx; i++)
		add_checkpoint(text, report, i);
	if (!is_older)
		add_checkpoint(text, report, finding->other_idx);
	tool_word_add_file(text, report->filename);
}

/* "COMMAND LAYER NAME" for one bitmap. */
static void add_bitmap(struct tool_text *text, const char *command,
		       const struct tool_verify_report *report,
		       const struct qcow2bm_finding *finding)
{
	const struct qcow2bm_layer *layer;
	size_t idx = finding->bitmap_idx;
	if (idx == QCOW2BM_NOT_FOUND)
		idx = qcow2bm_chain_bitmap(report->chain, finding->idx,
					   finding->layer_idx);
	layer = qcow2bm_chain_layer(report->chain, finding->layer_idx);
	const struct qcow2bm_bitmap *bitmap = qcow2bm_bitmap_describe(layer->image, idx);
	tool_text_print(text, "qcow2bm %s --", command);
	tool_word_add_file(text, layer->filename);
	add_name(text, bitmap->name, bitmap->name_bytes);
}

static void add_layer(struct tool_text *text, const char *command,
		      const struct tool_verify_report *report, size_t layer_idx)
{
	const struct qcow2bm_layer *layer;
	layer = qcow2bm_chain_layer(report->chain, layer_idx);
	tool_text_print(text, "%s", command);
	tool_word_add_file(text, layer->filename);
}

static bool has_checkpoints(const struct tool_verify_report *report, size_t layer_idx)
{
	for (size_t i = 0; i < qcow2bm_chain_count(report->chain); i++)
		if (qcow2bm_chain_bitmap(report->chain, i, layer_idx) !=
		    QCOW2BM_NOT_FOUND)
			return true;
	return false;
}

/* From the top down: cut off between two layers, what is left is missing in the top, which everybody
 * sees. */
static void add_start_anew(struct tool_text *text,
			   const struct tool_verify_report *report)
{
	for (size_t i = 0; i < qcow2bm_chain_layer_count(report->chain); i++)
		if (has_checkpoints(report, i))
			add_layer(text,
				  text->used == 0 ? "qcow2bm delete --all"
						  : " && qcow2bm delete --all",
				  report, i);
}

char *tool_verify_cure(const struct tool_verify_report *report,
		       const struct qcow2bm_finding *finding)
{
	struct tool_text text = {0};
	switch (finding->cure) {
	case QCOW2BM_CHAIN_CURE_NONE:
	case QCOW2BM_CHAIN_CURE_AGAIN:
		break;
	case QCOW2BM_CHAIN_CURE_DELETE:
	case QCOW2BM_CHAIN_CURE_DELETE_OLDER:
		add_chain_delete(&text, report, finding);
		break;
	case QCOW2BM_CHAIN_CURE_START_ANEW:
		add_start_anew(&text, report);
		break;
	case QCOW2BM_CHAIN_CURE_REPAIR:
		tool_text_print(&text, "qcow2bm chain repair%s", report->options);
		tool_word_add_file(&text, report->filename);
		break;
	case QCOW2BM_CHAIN_CURE_RECOVER:
		add_bitmap(&text, "recover --auto", report, finding);
		break;
	case QCOW2BM_CHAIN_CURE_CHECK:
		add_layer(&text, "qcow2bm check", report, finding->layer_idx);
		break;
	case QCOW2BM_CHAIN_CURE_DISABLE:
		add_bitmap(&text, "disable", report, finding);
		break;
	case QCOW2BM_CHAIN_CURE_DELETE_BITMAP:
		add_bitmap(&text, "delete", report, finding);
		break;
	case QCOW2BM_CHAIN_CURE_UPGRADE:
		add_layer(&text, "qemu-img amend -f qcow2 -o compat=1.1", report,
			  finding->layer_idx);
		break;
	}
	return text.bytes;
}
