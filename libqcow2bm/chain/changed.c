/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting what changed since a checkpoint. */
#include "changed.h"

#include "../base/error.h"

static bool is_doubt(enum qcow2bm_code code)
{
	return code == QCOW2BM_EINUSE || code == QCOW2BM_EIMAGE;
}

enum qcow2bm_code q2_changed_count(struct qcow2bm_chain *chain, size_t idx,
				   struct q2_changed *changed,
				   const struct qcow2bm_watch *watch,
				   struct qcow2bm_error *err)
{
	const struct qcow2bm_since *since;
	struct qcow2bm_error why = {0};
	*changed = (struct q2_changed){.is_known = false};
	enum qcow2bm_code code = qcow2bm_chain_explain(chain, idx, &since, &why);
	if (code == QCOW2BM_OK && since->verdict == QCOW2BM_VERDICT_INCREMENTAL) {
		code = qcow2bm_chain_measure_since(chain, idx, 0, UINT64_MAX,
						   &changed->bytes, watch, &why);
		changed->is_known = code == QCOW2BM_OK;
	}
	if (changed->is_known || code == QCOW2BM_OK)
		return QCOW2BM_OK;
	changed->bytes = 0;
	return is_doubt(code) ? QCOW2BM_OK : q2_pass(err, &why);
}
