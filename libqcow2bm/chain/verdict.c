/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which bitmaps tell what changed since a checkpoint, and whether they tell all of it. */
#include "../base/error.h"
#include "allocated.h"
#include "flaws.h"
#include "order.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Which checkpoints' bitmaps are ORed for what changed since number `idx`. */
static void choose(const struct qcow2bm_chain *chain, size_t idx,
		   struct qcow2bm_since *since)
{
	*since = (struct qcow2bm_since){.first = idx, .count = 1};
	if (!q2_layers_is_delta(chain))
		return;
	if (chain->order.gap == NULL) {
		since->count = chain->checkpoint_count - idx;
		return;
	}
	if (q2_scheme_is_newest(chain, idx))
		return;
	since->first = 0;
	since->count = chain->checkpoint_count;
	since->is_superset = true;
}

/* The worst reason is told, of equal ones the first. */
static void blame(struct qcow2bm_chain *chain, struct qcow2bm_since *since,
		  enum qcow2bm_verdict verdict, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void blame(struct qcow2bm_chain *chain, struct qcow2bm_since *since,
		  enum qcow2bm_verdict verdict, const char *fmt, ...)
{
	if (verdict <= since->verdict)
		return;
	va_list args;
	va_start(args, fmt);
	vsnprintf(chain->reason, sizeof(chain->reason), fmt, args);
	va_end(args);
	since->verdict = verdict;
	since->reason = chain->reason;
}

static int shown(size_t bytes)
{
	return bytes > 80 ? 80 : (int)bytes;
}

/* Whether the bits of a bitmap can be trusted. */
static enum qcow2bm_code judge_bitmap(struct qcow2bm_chain *chain,
				      struct qcow2bm_since *since, size_t idx,
				      size_t layer, struct qcow2bm_error *err)
{
	const struct q2_checkpoint *checkpoint = &chain->checkpoints[idx];
	struct qcow2bm_image *image = chain->layers[layer].image;
	const char *filename = chain->layers[layer].filename;
	enum qcow2bm_code code =
		q2_layers_judge(chain, layer, checkpoint->bitmaps[layer], err);
	if (code != QCOW2BM_OK)
		return code;
	const struct q2_bitmap *bitmap = q2_layers_bitmap(chain, checkpoint, layer);
	if (bitmap->problem != NULL)
		blame(chain, since, QCOW2BM_VERDICT_FULL,
		      "'%.*s' is corrupt in '%.100s': %.200s",
		      shown(checkpoint->name_bytes), checkpoint->name, filename,
		      bitmap->problem);
	else if (bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE)
		blame(chain, since, QCOW2BM_VERDICT_REPAIR,
		      "'%.*s' is in-use in '%.200s'%s", shown(checkpoint->name_bytes),
		      checkpoint->name, filename,
		      image->storage->writer == Q2_WRITER_LIVE
			      ? ": a running program has it open"
			      : ": changes may be missing");
	return QCOW2BM_OK;
}

/* Whether a layer tells what changed while it was the top. */
static enum qcow2bm_code judge_layer(struct qcow2bm_chain *chain,
				     struct qcow2bm_since *since, size_t layer,
				     struct qcow2bm_error *err)
{
	bool has_any = false, is_recording = false;
	for (size_t i = since->first; i < since->first + since->count; i++) {
		if (chain->checkpoints[i].bitmaps[layer] == QCOW2BM_NOT_FOUND)
			continue;
		has_any = true;
		is_recording |= q2_layers_records(chain, i, layer);
		enum qcow2bm_code code = judge_bitmap(chain, since, i, layer, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	if (!has_any && !chain->layers[layer].is_lifted)
		blame(chain, since, QCOW2BM_VERDICT_REPAIR,
		      "%s '%.200s' has no bitmap that tells what was written to it",
		      layer == 0 ? "the top layer" : "layer",
		      chain->layers[layer].filename);
	else if (has_any && layer == 0 && !is_recording)
		blame(chain, since, QCOW2BM_VERDICT_FULL,
		      "no bitmap of it records in the top layer: what was written since one "
		      "did is not known");
	else if (has_any && !is_recording && chain->order.scheme == QCOW2BM_SCHEME_NESTED)
		blame(chain, since, QCOW2BM_VERDICT_FULL,
		      "it does not record in '%.200s': what was written to that layer since it "
		      "did is not known",
		      chain->layers[layer].filename);
	return QCOW2BM_OK;
}

/* Whether a checkpoint between two others is missing: what changed between them is lost then. */
static void judge_path(struct qcow2bm_chain *chain, struct qcow2bm_since *since)
{
	for (size_t i = since->first + 1; i < since->first + since->count; i++) {
		const struct q2_checkpoint *it = &chain->checkpoints[i];
		if (q2_lineage_is_hole(chain, i))
			blame(chain, since, QCOW2BM_VERDICT_FULL,
			      "the checkpoint between '%.*s' and '%.*s' is missing",
			      shown(it[-1].name_bytes), it[-1].name,
			      shown(it->name_bytes), it->name);
	}
	if (since->is_superset && chain->orphan != QCOW2BM_NOT_FOUND) {
		const struct q2_checkpoint *it = &chain->checkpoints[chain->orphan];
		blame(chain, since, QCOW2BM_VERDICT_FULL,
		      "the parent '%.*s' of '%.*s' is missing", shown(it->parent_bytes),
		      it->parent, shown(it->name_bytes), it->name);
	}
}

/* Whether each layer that is newer than the checkpoint holds nothing but what is told. */
static enum qcow2bm_code judge_held(struct qcow2bm_chain *chain,
				    struct qcow2bm_since *since, size_t idx,
				    struct qcow2bm_error *err)
{
	struct q2_checkpoint *it = &chain->checkpoints[idx];
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t layer = 0; code == QCOW2BM_OK && !it->is_held_known; layer++) {
		struct q2_allocated_loss loss = {0};
		if (layer + 1 >= chain->layer_count)
			it->is_held_known = true;
		else if (q2_allocated_is_older(chain, layer, idx))
			code = q2_allocated_find(chain, layer, idx, chain->watch, &loss,
						 err);
		if (loss.bytes == 0)
			continue;
		it->is_held_known = true;
		it->lost_bytes = loss.bytes;
		it->lost_layer = layer;
	}
	if (code == QCOW2BM_OK && it->lost_bytes != 0)
		blame(chain, since, QCOW2BM_VERDICT_FULL,
		      "%llu bytes that '%.200s' holds are clean, though that layer is newer",
		      (unsigned long long)it->lost_bytes,
		      chain->layers[it->lost_layer].filename);
	return code;
}

/* The lowest layer that has a bitmap of one of them. */
static size_t find_lowest(const struct qcow2bm_chain *chain,
			  const struct qcow2bm_since *since)
{
	size_t lowest = 0;
	for (size_t i = since->first; i < since->first + since->count; i++)
		for (size_t layer = 0; layer < chain->layer_count; layer++)
			if (chain->checkpoints[i].bitmaps[layer] != QCOW2BM_NOT_FOUND &&
			    layer > lowest)
				lowest = layer;
	return lowest;
}

/* False where that was not done before. */
static bool recall(struct qcow2bm_chain *chain, struct qcow2bm_since *since)
{
	if (!since->is_superset || !chain->superset.is_judged)
		return false;
	since->verdict = chain->superset.verdict;
	if (since->verdict != QCOW2BM_VERDICT_INCREMENTAL)
		since->reason = chain->superset.reason;
	return true;
}

static void remember(struct qcow2bm_chain *chain, const struct qcow2bm_since *since)
{
	if (!since->is_superset)
		return;
	chain->superset.is_judged = true;
	chain->superset.verdict = since->verdict;
	if (since->reason != NULL)
		memcpy(chain->superset.reason, chain->reason, sizeof(chain->reason));
}

enum qcow2bm_code q2_verdict_by_bitmaps(struct qcow2bm_chain *chain, size_t idx,
					const struct qcow2bm_since **result,
					struct qcow2bm_error *err)
{
	if (idx >= chain->checkpoint_count)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "there is no checkpoint of this number");
	enum qcow2bm_code code = q2_layers_check(chain, err);
	if (code != QCOW2BM_OK)
		return code;
	struct qcow2bm_since *since = &chain->since;
	*result = since;
	choose(chain, idx, since);
	if (recall(chain, since))
		return QCOW2BM_OK;
	size_t lowest = find_lowest(chain, since);
	for (size_t layer = 0; code == QCOW2BM_OK && layer <= lowest; layer++)
		code = judge_layer(chain, since, layer, err);
	judge_path(chain, since);
	if (code == QCOW2BM_OK)
		remember(chain, since);
	return code;
}

enum qcow2bm_code qcow2bm_chain_explain(struct qcow2bm_chain *chain, size_t idx,
					const struct qcow2bm_since **result,
					struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_verdict_by_bitmaps(chain, idx, result, err);
	/* Last, for it reads the tables of all these layers. Those of which all bitmaps tell have one answer. */
	if (code == QCOW2BM_OK && chain->since.verdict == QCOW2BM_VERDICT_INCREMENTAL &&
	    !chain->is_staging)
		code = judge_held(chain, &chain->since,
				  chain->since.is_superset ? 0 : idx, err);
	return code;
}
