/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit must not make that look known which is not: what changed since a checkpoint. */
#define _POSIX_C_SOURCE 200809L

#include "doubts.h"

#include "../base/error.h"

#include <stdlib.h>
#include <string.h>

static enum qcow2bm_code ask(struct qcow2bm_chain *chain, size_t idx,
			     struct qcow2bm_error *err)
{
	struct q2_checkpoint *it = &chain->checkpoints[idx];
	const struct qcow2bm_since *since;
	enum qcow2bm_code code = qcow2bm_chain_explain(chain, idx, &since, err);
	free(it->doubt);
	it->doubt = NULL;
	if (code != QCOW2BM_OK || since->verdict == QCOW2BM_VERDICT_INCREMENTAL)
		return code;
	it->doubt = strdup(since->reason);
	return it->doubt == NULL ? q2_fail_memory(err, "the checkpoints of a disk")
				 : code;
}

enum qcow2bm_code q2_doubts_begin(struct qcow2bm_chain *chain, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0;
	     code == QCOW2BM_OK && !chain->is_staging && i < chain->checkpoint_count; i++)
		code = ask(chain, i, err);
	return code;
}

enum qcow2bm_code q2_doubts_refuse(const struct qcow2bm_chain *chain, size_t idx,
				   struct qcow2bm_error *err)
{
	const struct q2_checkpoint *it = &chain->checkpoints[idx];
	if (it->doubt == NULL)
		return QCOW2BM_OK;
	return q2_fail(
		err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
		"what changed since '%.*s' is not known, and would look known afterwards: %.300s; delete it, too, or see chain verify",
		it->name_bytes > 80 ? 80 : (int)it->name_bytes, it->name, it->doubt);
}

enum qcow2bm_code q2_doubts_refuse_all(const struct qcow2bm_chain *chain,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++)
		code = q2_doubts_refuse(chain, i, err);
	return code;
}
