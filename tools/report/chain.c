/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checkpoints of a disk: what changed since each, and what a backup can do with it. */
#define _POSIX_C_SOURCE 200809L

#include "chain.h"

#include "../term/memory.h"
#include "../term/watch.h"

#include <stdlib.h>
#include <string.h>

/* Their bits are read for it; what explains them asks for this again. */
static enum qcow2bm_code judge_bitmaps(const struct qcow2bm_chain *chain, size_t idx,
				       const struct qcow2bm_watch *watch,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t k = 0; code == QCOW2BM_OK && k < qcow2bm_chain_layer_count(chain);
	     k++) {
		size_t bitmap = qcow2bm_chain_bitmap(chain, idx, k);
		if (bitmap != QCOW2BM_NOT_FOUND)
			code = qcow2bm_bitmap_judge(qcow2bm_chain_layer(chain, k)->image,
						    bitmap, watch, err);
	}
	return code;
}

static enum qcow2bm_code take_checkpoint(struct tool_chain_report *report, size_t idx,
					 const struct qcow2bm_watch *watch,
					 struct qcow2bm_error *err)
{
	struct tool_chain_checkpoint *checkpoint = &report->checkpoints[idx];
	const struct qcow2bm_since *since;
	checkpoint->entry = qcow2bm_chain_checkpoint(report->chain, idx);
	enum qcow2bm_code code = judge_bitmaps(report->chain, idx, watch, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_chain_explain(report->chain, idx, &since, err);
	if (code != QCOW2BM_OK)
		return code;
	checkpoint->since = *since;
	if (checkpoint->since.verdict == QCOW2BM_VERDICT_INCREMENTAL)
		return qcow2bm_chain_measure_since(report->chain, idx, 0, UINT64_MAX,
						   &checkpoint->dirty_bytes, watch, err);
	checkpoint->reason = tool_memory_copy(checkpoint->since.reason,
					      strlen(checkpoint->since.reason));
	checkpoint->dirty_bytes = report->virtual_bytes;
	return QCOW2BM_OK;
}

enum qcow2bm_code tool_chain_report_take(struct tool_chain_report *report,
					 const char *filename,
					 struct qcow2bm_chain *chain,
					 const struct qcow2bm_order *order,
					 struct tool_watch *watch, uint64_t part,
					 uint64_t parts, struct qcow2bm_error *err)
{
	*report = (struct tool_chain_report){
		.filename = filename,
		.chain = chain,
		.order = *order,
		.virtual_bytes = qcow2bm_chain_layer(chain, 0)->virtual_bytes,
		.count = qcow2bm_chain_count(chain),
	};
	report->checkpoints =
		tool_memory_zeroed(report->count + 1, sizeof(*report->checkpoints));
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < report->count; i++) {
		tool_watch_part(watch, part * report->count + i, parts * report->count);
		code = take_checkpoint(report, i, &watch->watch, err);
	}
	return code;
}

void tool_chain_report_free(struct tool_chain_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		free(report->checkpoints[i].reason);
	free(report->checkpoints);
}
