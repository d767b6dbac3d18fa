/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what was found about the checkpoints of a disk to an edit of its layers that mends it. */
#include "../base/error.h"
#include "fates.h"
#include "fill.h"
#include "remove.h"

#include <stdlib.h>

#define NONE QCOW2BM_NOT_FOUND

struct repair {
	struct qcow2bm_chain *chain;
	struct q2_fates fates;
	qcow2bm_mended_fn *fn;
	void *opaque;
};

static void tell_name(const struct repair *repair, enum qcow2bm_mending mending,
		      const uint8_t *name, size_t name_bytes, size_t layer,
		      const char *reason)
{
	const struct qcow2bm_mended mended = {mending, (const char *)name, name_bytes,
					      layer, reason};
	if (repair->fn != NULL)
		repair->fn(repair->opaque, &mended);
}

static void tell(const struct repair *repair, enum qcow2bm_mending mending,
		 const struct q2_checkpoint *it, size_t layer, const char *reason)
{
	tell_name(repair, mending, it->name, it->name_bytes, layer, reason);
}

/* ---- One remedy each ---- */

/* Delta: only the newest records. */
static enum qcow2bm_code silence(struct repair *repair, size_t idx, const char *reason,
				 struct qcow2bm_error *err)
{
	struct q2_checkpoint *it = &repair->chain->checkpoints[idx];
	if (!q2_stage_is_recording(it, 0))
		return QCOW2BM_OK;
	tell(repair, QCOW2BM_MENDING_SILENCED, it, 0, reason);
	return q2_stage_record(repair->chain, it, 0, false, err);
}

/* What was written to a layer is in its clusters. In the top the bitmap goes on. */
static enum qcow2bm_code make(struct repair *repair, size_t idx, size_t layer,
			      struct qcow2bm_error *err)
{
	struct qcow2bm_chain *chain = repair->chain;
	size_t maker = q2_fates_maker(chain, idx, layer);
	if (maker == NONE || repair->fates.of[maker] != Q2_FATE_KEEP ||
	    q2_stage_has(&chain->checkpoints[maker], layer))
		return QCOW2BM_OK;
	struct q2_checkpoint *it = &chain->checkpoints[maker];
	tell(repair, QCOW2BM_MENDING_MADE, it, layer,
	     "all that the layer holds counts as changed, which is right unless the layer was "
	     "emptied by a commit since, or a layer below was written to by something else than "
	     "QEMU");
	enum qcow2bm_code code = q2_stage_add(chain, it, layer, true, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_fill(chain, it, layer, Q2_SOURCE_ALLOCATED, err);
	for (size_t i = 0;
	     code == QCOW2BM_OK && layer == 0 && q2_layers_is_delta(chain) && i < maker;
	     i++)
		code = silence(repair, i, "a newer checkpoint records", err);
	return code;
}

/* One that a crash left in-use is all dirty from now on, and can go on recording. */
static enum qcow2bm_code fill_one(struct repair *repair, size_t idx, size_t layer,
				  struct qcow2bm_error *err)
{
	struct q2_checkpoint *it = &repair->chain->checkpoints[idx];
	tell(repair, QCOW2BM_MENDING_ALL_DIRTY, it, layer,
	     "a crash left it in-use; `recover`, told what is known of the crash, can mark less");
	return q2_stage_fill_all(repair->chain, it, layer, err);
}

/* Where the scheme wants it, as the bits are all dirty. */
static enum qcow2bm_code record_again(struct repair *repair, size_t idx, size_t layer,
				      struct qcow2bm_error *err)
{
	if (idx == NONE)
		idx = repair->chain->checkpoint_count - 1;
	if (layer == NONE || !q2_fates_is_in_use(repair->chain, idx, layer))
		return QCOW2BM_OK;
	return q2_stage_record(repair->chain, &repair->chain->checkpoints[idx], layer,
			       true, err);
}

static bool can_hold(const struct q2_layer *layer)
{
	return layer->image != NULL && layer->image->header.version >= 3;
}

/* All dirty in each layer from the top to `lowest`: the top alone would do, but it is not to be proven
 * of any layer that changes are missing there. */
static enum qcow2bm_code fill_layers(struct qcow2bm_chain *chain,
				     struct q2_checkpoint *it, size_t lowest,
				     bool is_recording, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t layer = 0; code == QCOW2BM_OK && layer <= lowest; layer++) {
		bool is_new = !q2_stage_has(it, layer);
		if (!can_hold(&chain->layers[layer]))
			continue;
		code = q2_fill_layer(chain, it, layer, err);
		if (code == QCOW2BM_OK && (layer == 0 || is_new || is_recording))
			code = q2_stage_record(chain, it, layer, is_recording, err);
	}
	return code;
}

static size_t lowest_of(const struct qcow2bm_chain *chain, size_t idx)
{
	return q2_fill_lowest(chain, idx, idx + 1);
}

/* All dirty bitmaps in the place of the checkpoint that `it` tells as its parent. */
static enum qcow2bm_code add_bridge(struct qcow2bm_chain *chain, size_t idx,
				    const struct q2_checkpoint *it,
				    struct qcow2bm_error *err)
{
	const struct q2_checkpoint *before = &chain->checkpoints[idx];
	struct q2_checkpoint bridge = {
		.name = it->parent,
		.name_bytes = it->parent_bytes,
		.parent = before->name,
		.parent_bytes = before->name_bytes,
		.bitmaps = malloc(chain->layer_count * sizeof(size_t)),
		.staged = calloc(chain->layer_count, sizeof(*bridge.staged)),
	};
	enum qcow2bm_code code = QCOW2BM_OK;
	if (bridge.bitmaps == NULL || bridge.staged == NULL)
		code = q2_fail_memory(err, "the checkpoints of a disk");
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->layer_count; i++)
		bridge.bitmaps[i] = NONE;
	if (code == QCOW2BM_OK)
		code = fill_layers(chain, &bridge, lowest_of(chain, idx), false, err);
	bridge.name = bridge.parent = NULL;
	q2_checkpoints_free_one(chain, &bridge);
	return code;
}

/* The checkpoint becomes the child of the one before it, in every layer. */
static enum qcow2bm_code adopt(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
			       const struct q2_checkpoint *parent,
			       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_stage_set_parent(it, parent, err);
	for (size_t layer = 0; code == QCOW2BM_OK && layer < chain->layer_count; layer++)
		if (q2_stage_has(it, layer))
			code = q2_stage_rename(chain, it, layer, it, err);
	return code;
}

/* What stood between two checkpoints of a delta chain is all dirty, or, when nothing tells its name, the
 * older one is. */
static enum qcow2bm_code bridge(struct repair *repair, size_t idx, size_t next,
				const char *reason, struct qcow2bm_error *err)
{
	struct qcow2bm_chain *chain = repair->chain;
	struct q2_checkpoint *before = &chain->checkpoints[idx];
	struct q2_checkpoint *it = &chain->checkpoints[next];
	tell(repair, QCOW2BM_MENDING_ALL_DIRTY, before, NONE, reason);
	if (it->parent != NULL)
		return add_bridge(chain, idx, it, err);
	enum qcow2bm_code code =
		fill_layers(chain, before, lowest_of(chain, idx), false, err);
	return code == QCOW2BM_OK ? adopt(chain, it, before, err) : code;
}

static enum qcow2bm_code remove_bitmap(struct repair *repair, size_t layer, size_t idx,
				       const char *reason, struct qcow2bm_error *err)
{
	const struct q2_directory_entry *entry =
		&repair->chain->layers[layer].image->directory.bitmaps[idx].entry;
	tell_name(repair, QCOW2BM_MENDING_REMOVED, entry->name, entry->name_bytes, layer,
		  reason);
	return q2_stage_remove(repair->chain, layer, idx, err);
}

/* ---- All findings ---- */

static void tell_left(const struct repair *repair, const struct qcow2bm_finding *it)
{
	if (it->idx == NONE)
		tell_name(repair, QCOW2BM_MENDING_LEFT, NULL, 0, it->layer_idx,
			  it->sentence);
	else
		tell(repair, QCOW2BM_MENDING_LEFT, &repair->chain->checkpoints[it->idx],
		     it->layer_idx, it->sentence);
}

/* Stages what mends one finding; of a checkpoint that goes nothing needs mending. */
static enum qcow2bm_code mend(struct repair *repair, const struct q2_finding *finding,
			      struct qcow2bm_error *err)
{
	const struct qcow2bm_finding *it = &finding->shown;
	bool is_kept = it->idx == NONE || repair->fates.of[it->idx] == Q2_FATE_KEEP;
	switch (q2_flaws_kind(finding->id)->remedy) {
	case Q2_REMEDY_NOTHING:
		if (it->severity != QCOW2BM_SEVERITY_NOTE && is_kept)
			tell_left(repair, it);
		break;
	case Q2_REMEDY_RENAME:
		break;
	case Q2_REMEDY_MAKE:
		return make(repair, it->idx, it->layer_idx, err);
	case Q2_REMEDY_FILL:
		return is_kept ? fill_one(repair, it->idx, it->layer_idx, err)
			       : QCOW2BM_OK;
	case Q2_REMEDY_DROP:
	case Q2_REMEDY_DROP_NEWEST:
		return is_kept ? record_again(repair, it->idx, it->layer_idx, err)
			       : QCOW2BM_OK;
	case Q2_REMEDY_BRIDGE:
		return repair->fates.all_dirty
			       ? bridge(repair, it->idx, it->other_idx, it->sentence, err)
			       : QCOW2BM_OK;
	case Q2_REMEDY_SILENCE:
		return silence(repair, it->idx, it->sentence, err);
	case Q2_REMEDY_REMOVE:
		return remove_bitmap(repair, it->layer_idx, it->bitmap_idx, it->sentence,
				     err);
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code mend_all(struct repair *repair, struct qcow2bm_error *err)
{
	const struct qcow2bm_findings *findings = repair->fates.findings;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < findings->count; i++)
		if (findings->list[i].shown.disk_idx == repair->fates.disk_idx)
			code = mend(repair, &findings->list[i], err);
	return code;
}

/* Delta: each tells the one before it as its parent, nested: none. */
static enum qcow2bm_code rename_all(struct repair *repair, struct qcow2bm_error *err)
{
	struct qcow2bm_chain *chain = repair->chain;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++) {
		struct q2_checkpoint *it = &chain->checkpoints[i];
		bool has_parent = i > 0 && q2_layers_is_delta(chain);
		tell(repair, QCOW2BM_MENDING_RENAMED, it, NONE,
		     "its names follow the order that was given");
		code = adopt(chain, it, has_parent ? it - 1 : NULL, err);
	}
	return code;
}

/* Everything counts as changed since it: in the delta scheme since all that are older, too. */
static enum qcow2bm_code fill_checkpoint(struct repair *repair, size_t idx,
					 struct qcow2bm_error *err)
{
	struct qcow2bm_chain *chain = repair->chain;
	struct q2_checkpoint *it = &chain->checkpoints[idx];
	bool records = true;
	if (q2_layers_is_delta(chain) && chain->order.gap == NULL)
		records = idx + 1 == chain->checkpoint_count;
	else if (q2_layers_is_delta(chain))
		records = q2_stage_is_recording(it, 0);
	tell(repair, QCOW2BM_MENDING_ALL_DIRTY, it, NONE, repair->fates.why[idx]);
	return fill_layers(chain, it, lowest_of(chain, idx), records, err);
}

static enum qcow2bm_code fill_all(struct repair *repair, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < repair->chain->checkpoint_count; i++)
		if (repair->fates.of[i] == Q2_FATE_FILL)
			code = fill_checkpoint(repair, i, err);
	return code;
}

/* Delta: all that go are older than all that stay, and none before the oldest wants its bits. */
static enum qcow2bm_code drop_all(struct repair *repair, struct qcow2bm_error *err)
{
	struct qcow2bm_chain *chain = repair->chain;
	size_t count = chain->checkpoint_count;
	enum qcow2bm_code code = QCOW2BM_OK;
	bool has_any = false;
	for (size_t i = 0; i < count; i++) {
		if (repair->fates.of[i] != Q2_FATE_DROP)
			continue;
		has_any = true;
		tell(repair, QCOW2BM_MENDING_DROPPED, &chain->checkpoints[i], NONE,
		     repair->fates.why[i]);
	}
	if (has_any && repair->fates.newest != NONE)
		return q2_remove_older(chain, repair->fates.newest, err);
	bool oldest_first = q2_layers_is_delta(chain);
	for (size_t i = count; code == QCOW2BM_OK && i-- > 0;)
		if (repair->fates.of[i] == Q2_FATE_DROP)
			code = q2_remove_one(chain, oldest_first ? 0 : i, err);
	return code;
}

/* All bitmaps that have a name, in all layers. */
static enum qcow2bm_code start_anew(struct repair *repair, struct qcow2bm_error *err)
{
	struct qcow2bm_chain *chain = repair->chain;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		tell(repair, QCOW2BM_MENDING_DROPPED, &chain->checkpoints[i], NONE,
		     repair->fates.reset_reason);
	for (size_t layer = 0; layer < chain->layer_count; layer++) {
		const struct q2_layer *it = &chain->layers[layer];
		size_t count = it->image == NULL ? 0 : it->image->directory.count;
		for (size_t i = 0; code == QCOW2BM_OK && i < count; i++)
			if (it->image->directory.bitmaps[i].entry.name_bytes != 0)
				code = q2_stage_remove(chain, layer, i, err);
	}
	return code;
}

static enum qcow2bm_code repair_all(struct repair *repair, struct qcow2bm_error *err)
{
	enum qcow2bm_code code;
	if (repair->fates.is_reset)
		return start_anew(repair, err);
	code = q2_stage_begin(repair->chain, err);
	if (code == QCOW2BM_OK)
		code = mend_all(repair, err);
	if (code == QCOW2BM_OK && repair->fates.is_renaming)
		code = rename_all(repair, err);
	if (code == QCOW2BM_OK)
		code = fill_all(repair, err);
	return code == QCOW2BM_OK ? drop_all(repair, err) : code;
}

enum qcow2bm_code qcow2bm_chain_repair(struct qcow2bm_chain *chain,
				       const struct qcow2bm_findings *findings,
				       size_t disk_idx, unsigned flags,
				       qcow2bm_mended_fn *fn, void *opaque,
				       struct qcow2bm_error *err)
{
	struct repair repair = {.chain = chain, .fn = fn, .opaque = opaque};
	enum qcow2bm_code code = q2_fates_open(&repair.fates, chain, findings, disk_idx,
					       flags & QCOW2BM_MEND_ALL_DIRTY, err);
	if (code == QCOW2BM_OK)
		code = repair_all(&repair, err);
	q2_fates_close(&repair.fates);
	return code;
}
