/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deleting a checkpoint in all layers of a disk, so that what changed since each other one stays. */
#include "../base/error.h"
#include "stage.h"

/* Nested: bitmaps go, the top's first; the others have all that they had. */
static enum qcow2bm_code remove_nested(struct qcow2bm_chain *chain, size_t idx,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	struct q2_checkpoint *gone = &chain->checkpoints[idx];
	for (size_t layer = 0; code == QCOW2BM_OK && layer < chain->layer_count; layer++)
		if (q2_stage_has(gone, layer))
			code = q2_stage_drop(chain, gone, layer, err);
	return code;
}

/*
 * Delta, in one layer: what was written between the deleted checkpoint and the next one belongs to the
 * one before from now on. Where that has no bitmap here it takes this one over, flag and bits. If
 * this one records, the one before does from the same moment.
 */
static enum qcow2bm_code hand_over(struct qcow2bm_chain *chain,
				   struct q2_checkpoint *before,
				   struct q2_checkpoint *gone, size_t layer,
				   struct qcow2bm_error *err)
{
	if (!q2_stage_has(before, layer)) {
		enum qcow2bm_code code = q2_stage_rename(chain, gone, layer, before, err);
		if (code != QCOW2BM_OK)
			return code;
		before->staged[layer] = gone->staged[layer];
		gone->staged[layer] = (struct q2_staged_name){0};
		return QCOW2BM_OK;
	}
	enum qcow2bm_code code = q2_stage_merge(chain, before, gone, layer, err);
	if (code == QCOW2BM_OK && q2_stage_is_recording(gone, layer))
		code = q2_stage_record(chain, before, layer, true, err);
	return code == QCOW2BM_OK ? q2_stage_drop(chain, gone, layer, err) : code;
}

/* The child of the deleted checkpoint is told its new parent, in every layer and first of all. */
static enum qcow2bm_code adopt(struct qcow2bm_chain *chain, struct q2_checkpoint *before,
			       struct q2_checkpoint *child, struct qcow2bm_error *err)
{
	if (child->parent == NULL)
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_stage_set_parent(child, before, err);
	for (size_t layer = 0; code == QCOW2BM_OK && layer < chain->layer_count; layer++)
		if (q2_stage_has(child, layer))
			code = q2_stage_rename(chain, child, layer, child, err);
	return code;
}

static enum qcow2bm_code remove_delta(struct qcow2bm_chain *chain, size_t idx,
				      struct qcow2bm_error *err)
{
	struct q2_checkpoint *gone = &chain->checkpoints[idx];
	struct q2_checkpoint *before = idx == 0 ? NULL : gone - 1;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (idx + 1 < chain->checkpoint_count)
		code = adopt(chain, before, gone + 1, err);
	for (size_t layer = 0; code == QCOW2BM_OK && layer < chain->layer_count;
	     layer++) {
		if (!q2_stage_has(gone, layer))
			continue;
		code = before == NULL ? q2_stage_drop(chain, gone, layer, err)
				      : hand_over(chain, before, gone, layer, err);
	}
	return code;
}

enum qcow2bm_code qcow2bm_chain_delete(struct qcow2bm_chain *chain, size_t idx,
				       struct qcow2bm_error *err)
{
	if (idx >= chain->checkpoint_count)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "there is no checkpoint of this number");
	enum qcow2bm_code code = q2_stage_begin(chain, err);
	if (code != QCOW2BM_OK)
		return code;
	switch (chain->order.scheme) {
	case QCOW2BM_SCHEME_ANY:
	case QCOW2BM_SCHEME_NESTED:
		code = remove_nested(chain, idx, err);
		break;
	case QCOW2BM_SCHEME_DELTA:
		if (chain->order.gap != NULL)
			return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
				       "the order of the checkpoints is not known: %s",
				       chain->order.gap);
		code = remove_delta(chain, idx, err);
		break;
	default:
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the scheme of the checkpoints is not known: none records");
	}
	if (code == QCOW2BM_OK)
		q2_stage_forget(chain, idx);
	return code;
}
