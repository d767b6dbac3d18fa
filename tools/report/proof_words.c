/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sentences about a checkpoint that was compared, and what to type. */
#include "proof.h"

#include "../term/name.h"
#include "../term/word.h"

#include <stdlib.h>

const char *tool_proof_evidence(enum qcow2bm_base base)
{
	switch (base) {
	case QCOW2BM_BASE_SAME:
		return "it has this checkpoint, and nothing had changed since then";
	case QCOW2BM_BASE_LATER:
		return "it has this checkpoint, and was changed since: it is no proof of what was "
		       "written before";
	case QCOW2BM_BASE_OTHER:
		return "against it: it has checkpoints, and this one is not among them";
	case QCOW2BM_BASE_UNTOLD:
		break;
	}
	return "none, as it tells of no checkpoints: this holds if it is the disk as it was when "
	       "the checkpoint began";
}

const char *tool_proof_cause(enum qcow2bm_cause cause)
{
	switch (cause) {
	case QCOW2BM_CAUSE_NONE:
		return "none";
	case QCOW2BM_CAUSE_WRONG_BASE:
		return "nearly all data differs: the older state is probably another one's";
	case QCOW2BM_CAUSE_RESIZE:
		return "it is the end of the disk: probably a resize that nobody recorded";
	case QCOW2BM_CAUSE_BITMAP_CLUSTER:
		return "each range is what one cluster of the bitmap's bits stands for: these "
		       "were probably lost, as by a storage that went back";
	case QCOW2BM_CAUSE_FOREIGN_WRITER:
		return "whole clusters: probably a program wrote to the image that knows no "
		       "bitmaps";
	case QCOW2BM_CAUSE_LOST_BITS:
		break;
	}
	return "single granules: bits were lost, or somebody wrote to the disk past QEMU";
}

static void add_name(struct tool_text *text, const char *name, size_t name_bytes)
{
	char *shown = tool_name_escape(name, name_bytes, TOOL_NAME_HUMAN);
	tool_word_add(text, shown);
	free(shown);
}

/* The bitmap of the checkpoint in the top layer can get more bits, or, in-use, just the right ones. */
static bool is_recoverable(const struct tool_proof_row *row,
			   const struct qcow2bm_bitmap *bitmap)
{
	if (row->base != QCOW2BM_BASE_SAME && row->base != QCOW2BM_BASE_UNTOLD)
		return false;
	if (row->judgement.outcome == QCOW2BM_OUTCOME_WRONG)
		return row->judgement.cause != QCOW2BM_CAUSE_WRONG_BASE;
	return bitmap->state == QCOW2BM_STATE_IN_USE_STALE;
}

char *tool_proof_cure(const struct tool_proof_report *report,
		      const struct tool_proof_row *row)
{
	const struct qcow2bm_layer *top = qcow2bm_chain_layer(report->chain, 0);
	size_t idx = qcow2bm_chain_bitmap(report->chain, row->idx, 0);
	struct tool_text text = {0};
	if (idx == QCOW2BM_NOT_FOUND || !row->has_base)
		return NULL;
	const struct qcow2bm_bitmap *bitmap = qcow2bm_bitmap_describe(top->image, idx);
	if (!is_recoverable(row, bitmap))
		return NULL;
	tool_text_print(&text, "qcow2bm recover --compare");
	tool_word_add_file(&text, report->old_filename);
	if (report->old_format != NULL)
		tool_text_print(&text, " --old-format %s", report->old_format);
	tool_text_print(&text, " --");
	tool_word_add_file(&text, report->filename);
	add_name(&text, bitmap->name, bitmap->name_bytes);
	return text.bytes;
}
