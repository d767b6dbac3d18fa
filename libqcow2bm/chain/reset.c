/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Letting the newest checkpoint begin now: nothing has changed since. */
#include "../base/error.h"
#include "doubts.h"
#include "stage.h"

/* Delta: what was written since the newest checkpoint began belongs to the one before. */
static enum qcow2bm_code hand_back(struct qcow2bm_chain *chain,
				   struct q2_checkpoint *before,
				   const struct q2_checkpoint *newest, size_t layer,
				   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	if (!q2_stage_has(before, layer))
		code = q2_stage_add(chain, before, layer, false, err);
	return code == QCOW2BM_OK ? q2_stage_merge(chain, before, newest, layer, err)
				  : code;
}

enum qcow2bm_code qcow2bm_chain_reset(struct qcow2bm_chain *chain, size_t idx,
				      struct qcow2bm_error *err)
{
	if (idx >= chain->checkpoint_count || idx + 1 != chain->checkpoint_count ||
	    chain->order.gap != NULL)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "only the newest checkpoint can begin anew%s%s",
			       chain->order.gap == NULL ? ""
							: "; which it is, is not known: ",
			       chain->order.gap == NULL ? "" : chain->order.gap);
	enum qcow2bm_code code = q2_layers_check(chain, err);
	bool is_delta = chain->order.scheme == QCOW2BM_SCHEME_DELTA;
	/* The one before gets its bits, and what they lack would not show any more. */
	if (code == QCOW2BM_OK && is_delta && idx > 0)
		code = q2_doubts_refuse(chain, idx, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_begin(chain, err);
	if (code != QCOW2BM_OK)
		return code;
	struct q2_checkpoint *newest = &chain->checkpoints[idx];
	struct q2_checkpoint *before = is_delta && idx > 0 ? newest - 1 : NULL;
	for (size_t layer = 0; code == QCOW2BM_OK && layer < chain->layer_count;
	     layer++) {
		if (!q2_stage_has(newest, layer))
			continue;
		if (before != NULL)
			code = hand_back(chain, before, newest, layer, err);
		if (code == QCOW2BM_OK)
			code = layer == 0 ? q2_stage_clear(chain, newest, layer, err)
					  : q2_stage_drop(chain, newest, layer, err);
	}
	if (code == QCOW2BM_OK && !q2_stage_has(newest, 0))
		code = q2_stage_add(chain, newest, 0, true, err);
	return code;
}
