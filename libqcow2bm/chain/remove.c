/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deleting a checkpoint in all layers of a disk, so that what changed since each other one stays. */
#include "remove.h"

#include "../base/error.h"
#include "doubts.h"
#include "flaws.h"
#include "order.h"
#include "stage.h"

#include <stdlib.h>

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

static enum qcow2bm_code check_scheme(const struct qcow2bm_chain *chain,
				      struct qcow2bm_error *err)
{
	switch (chain->order.scheme) {
	case QCOW2BM_SCHEME_ANY:
	case QCOW2BM_SCHEME_NESTED:
		return QCOW2BM_OK;
	case QCOW2BM_SCHEME_DELTA:
		if (chain->order.gap == NULL)
			return QCOW2BM_OK;
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the order of the checkpoints is not known: %s",
			       chain->order.gap);
	default:
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the scheme of the checkpoints is not known: none records");
	}
}

enum qcow2bm_code q2_remove_one(struct qcow2bm_chain *chain, size_t idx,
				struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_stage_begin(chain, err);
	if (code == QCOW2BM_OK)
		code = check_scheme(chain, err);
	if (code == QCOW2BM_OK)
		code = chain->order.scheme == QCOW2BM_SCHEME_DELTA
			       ? remove_delta(chain, idx, err)
			       : remove_nested(chain, idx, err);
	if (code == QCOW2BM_OK)
		q2_stage_forget(chain, idx);
	return code;
}

enum qcow2bm_code q2_remove_older(struct qcow2bm_chain *chain, size_t newest,
				  struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_stage_begin(chain, err);
	if (code == QCOW2BM_OK)
		code = adopt(chain, NULL, &chain->checkpoints[newest], err);
	for (size_t i = chain->checkpoint_count; code == QCOW2BM_OK && i-- > 0;) {
		if (i == newest)
			continue;
		code = remove_nested(chain, i, err);
		if (code == QCOW2BM_OK)
			q2_stage_forget(chain, i);
	}
	return code;
}

/* What needs no order, where none is known: which newest one alone is to stay, or NOT_FOUND. */
static size_t find_left_alone(const struct qcow2bm_chain *chain, const bool *goes)
{
	size_t left = QCOW2BM_NOT_FOUND;
	if (chain->order.scheme != QCOW2BM_SCHEME_DELTA || chain->order.gap == NULL)
		return QCOW2BM_NOT_FOUND;
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		if (goes[i])
			continue;
		if (left != QCOW2BM_NOT_FOUND || !q2_scheme_is_newest(chain, i))
			return QCOW2BM_NOT_FOUND;
		left = i;
	}
	return left;
}

/* Before anything is staged: what is not known must not look known afterwards. */
static enum qcow2bm_code leave_alone(struct qcow2bm_chain *chain, size_t newest,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_doubts_refuse(chain, newest, err);
	return code == QCOW2BM_OK ? q2_remove_older(chain, newest, err) : code;
}

/*
 * Delta: bits go to the nearest older one that stays, which records when the newest goes. That may hide that one
 * between them is missing, or that the newest, or one whose name tells no parent, did not tell all.
 */
static enum qcow2bm_code check_heirs(struct qcow2bm_chain *chain, const bool *goes,
				     struct qcow2bm_error *err)
{
	size_t heir = QCOW2BM_NOT_FOUND, count = chain->checkpoint_count;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < count; i++) {
		if (!goes[i]) {
			heir = i;
			continue;
		}
		if (heir == QCOW2BM_NOT_FOUND)
			continue;
		if (q2_lineage_is_hole(chain, i))
			code = q2_doubts_refuse(chain, heir, err);
		else if (i + 1 == count || chain->checkpoints[i].parent == NULL)
			code = q2_doubts_refuse(chain, i, err);
	}
	return code;
}

/* Nested: where one is left that records, others that do not would pass for those of a delta chain. */
static enum qcow2bm_code check_left(struct qcow2bm_chain *chain, const bool *goes,
				    struct qcow2bm_error *err)
{
	size_t left = 0, recording = 0, layer = q2_scheme_layer(chain);
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		left += !goes[i];
		recording += !goes[i] && q2_layers_records(chain, i, layer);
	}
	if (left < 2 || recording > 1)
		return QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++)
		if (!goes[i] && !q2_layers_records(chain, i, layer))
			code = q2_doubts_refuse(chain, i, err);
	return code;
}

/* Delta: from the oldest on, for each of these goes without an heir. Nested: from the last on, which moves none. */
static enum qcow2bm_code remove_all(struct qcow2bm_chain *chain, const bool *goes,
				    size_t count, struct qcow2bm_error *err)
{
	bool is_delta = chain->order.scheme == QCOW2BM_SCHEME_DELTA;
	enum qcow2bm_code code = check_scheme(chain, err);
	if (code == QCOW2BM_OK)
		code = is_delta ? check_heirs(chain, goes, err)
				: check_left(chain, goes, err);
	for (size_t i = 0, gone = 0; code == QCOW2BM_OK && is_delta && i < count; i++)
		if (goes[i])
			code = q2_remove_one(chain, i - gone++, err);
	for (size_t i = count; code == QCOW2BM_OK && !is_delta && i-- > 0;)
		if (goes[i])
			code = q2_remove_one(chain, i, err);
	return code;
}

enum qcow2bm_code qcow2bm_chain_delete_several(struct qcow2bm_chain *chain,
					       const size_t *idxs, size_t count,
					       struct qcow2bm_error *err)
{
	size_t total = chain->checkpoint_count;
	if (count == 0)
		return QCOW2BM_OK;
	bool *goes = calloc(total + 1, sizeof(*goes));
	if (goes == NULL)
		return q2_fail_memory(err, "the checkpoints of a disk");
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < count; i++)
		if (idxs[i] >= total)
			code = q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
				       "there is no checkpoint of this number");
		else
			goes[idxs[i]] = true;
	if (code == QCOW2BM_OK)
		code = q2_layers_check(chain, err);
	size_t left = find_left_alone(chain, goes);
	if (code == QCOW2BM_OK)
		code = left == QCOW2BM_NOT_FOUND ? remove_all(chain, goes, total, err)
						 : leave_alone(chain, left, err);
	free(goes);
	return code;
}

enum qcow2bm_code qcow2bm_chain_delete(struct qcow2bm_chain *chain, size_t idx,
				       struct qcow2bm_error *err)
{
	return qcow2bm_chain_delete_several(chain, &idx, 1, err);
}
