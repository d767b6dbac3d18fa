/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dropping from a layer the bitmaps that the layers above have not gone on recording. */
#include "../base/error.h"
#include "stage.h"

/* In the nested scheme each usable checkpoint records in the top. In the delta scheme only the newest
 * does: what silent ones below have is a part of what changed since them. */
static enum qcow2bm_code check_scheme(const struct qcow2bm_chain *chain,
				      struct qcow2bm_error *err)
{
	switch (chain->order.scheme) {
	case QCOW2BM_SCHEME_ANY:
	case QCOW2BM_SCHEME_NESTED:
		return QCOW2BM_OK;
	case QCOW2BM_SCHEME_DELTA:
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"its checkpoints are in the delta scheme: the bitmaps of layers "
			"below are a part of what changed, also of checkpoints that the "
			"top has none of");
	default:
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the scheme of the checkpoints is not known: none records");
	}
}

/* A top without any lost them in a crash more likely than that none was wanted. */
static enum qcow2bm_code check_top(const struct qcow2bm_chain *chain,
				   struct qcow2bm_error *err)
{
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		if (q2_stage_is_recording(&chain->checkpoints[i], 0))
			return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
		       "no bitmap records in the top layer: after a crash what it lacks "
		       "can be made again");
}

enum qcow2bm_code qcow2bm_chain_prune(struct qcow2bm_chain *chain, size_t layer_idx,
				      struct qcow2bm_error *err)
{
	if (layer_idx == 0 || layer_idx >= chain->layer_count)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "there is no layer of this number below the top");
	if (chain->checkpoint_count == 0)
		return QCOW2BM_OK;
	enum qcow2bm_code code = check_scheme(chain, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_begin(chain, err);
	if (code == QCOW2BM_OK)
		code = check_top(chain, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++) {
		struct q2_checkpoint *it = &chain->checkpoints[i];
		if (q2_stage_has(it, layer_idx) && !q2_stage_has(it, 0))
			code = q2_stage_drop(chain, it, layer_idx, err);
	}
	return code;
}
