/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit must not make that look known which is not: what changed since a checkpoint. */
#include "doubts.h"

#include "../base/error.h"

enum qcow2bm_code q2_doubts_refuse(struct qcow2bm_chain *chain, size_t idx,
				   struct qcow2bm_error *err)
{
	const struct q2_checkpoint *it = &chain->checkpoints[idx];
	const struct qcow2bm_since *since;
	if (chain->is_staging)
		return QCOW2BM_OK;
	enum qcow2bm_code code = qcow2bm_chain_explain(chain, idx, &since, err);
	if (code != QCOW2BM_OK || since->verdict == QCOW2BM_VERDICT_INCREMENTAL)
		return code;
	return q2_fail(
		err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
		"what changed since '%.*s' is not known, and would look known afterwards: %.300s; delete it, too, or see chain verify",
		it->name_bytes > 80 ? 80 : (int)it->name_bytes, it->name, since->reason);
}

enum qcow2bm_code q2_doubts_refuse_all(struct qcow2bm_chain *chain,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++)
		code = q2_doubts_refuse(chain, i, err);
	return code;
}
