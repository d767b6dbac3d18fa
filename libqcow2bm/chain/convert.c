/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From one scheme to the other: what changed since each checkpoint stays. */
#include "../base/error.h"
#include "doubts.h"
#include "stage.h"

#include <string.h>

/* The lowest layer that has a bitmap of it: where it was made. */
static size_t find_lowest(const struct qcow2bm_chain *chain,
			  const struct q2_checkpoint *checkpoint)
{
	size_t lowest = 0;
	for (size_t layer = 0; layer < chain->layer_count; layer++)
		if (q2_stage_has(checkpoint, layer))
			lowest = layer;
	return lowest;
}

/* A checkpoint of a nested chain has in each layer, from its own up to the top, what it had and all
 * that newer ones have there. The next newer one has that already of those after it. */
static enum qcow2bm_code gather(struct qcow2bm_chain *chain, size_t idx, size_t layer,
				struct qcow2bm_error *err)
{
	struct q2_checkpoint *it = &chain->checkpoints[idx];
	enum qcow2bm_code code = QCOW2BM_OK;
	if (!q2_stage_has(it, layer))
		code = q2_stage_add(chain, it, layer, true, err);
	for (size_t newer = idx + 1;
	     code == QCOW2BM_OK && newer < chain->checkpoint_count; newer++)
		if (q2_stage_has(&chain->checkpoints[newer], layer))
			return q2_stage_merge(chain, it, &chain->checkpoints[newer],
					      layer, err);
	return code;
}

static enum qcow2bm_code rename_and_record(struct qcow2bm_chain *chain, size_t idx,
					   bool is_recording, struct qcow2bm_error *err)
{
	struct q2_checkpoint *it = &chain->checkpoints[idx];
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t layer = 0; code == QCOW2BM_OK && layer < chain->layer_count;
	     layer++) {
		if (!q2_stage_has(it, layer))
			continue;
		code = q2_stage_record(chain, it, layer, is_recording, err);
		if (code == QCOW2BM_OK)
			code = q2_stage_rename(chain, it, layer, it, err);
	}
	return code;
}

static enum qcow2bm_code to_nested(struct qcow2bm_chain *chain, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = chain->checkpoint_count; code == QCOW2BM_OK && i-- > 0;) {
		struct q2_checkpoint *it = &chain->checkpoints[i];
		size_t lowest = find_lowest(chain, it);
		code = q2_stage_set_parent(it, NULL, err);
		for (size_t layer = 0; code == QCOW2BM_OK && layer <= lowest; layer++)
			code = gather(chain, i, layer, err);
	}
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++)
		code = rename_and_record(chain, i, true, err);
	return code;
}

/* Newer bits are not taken out of older bitmaps: what changed in both would be lost to a backup of
 * what changed between two checkpoints. */
static enum qcow2bm_code to_delta(struct qcow2bm_chain *chain, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = chain->checkpoint_count; code == QCOW2BM_OK && i-- > 0;) {
		struct q2_checkpoint *it = &chain->checkpoints[i];
		bool is_newest = i + 1 == chain->checkpoint_count;
		code = q2_stage_set_parent(it, i == 0 ? NULL : it - 1, err);
		if (code == QCOW2BM_OK)
			code = rename_and_record(chain, i, is_newest, err);
	}
	return code;
}

/* A `^` in a checkpoint's own name would be read as its parent's. */
static enum qcow2bm_code check_names(const struct qcow2bm_chain *chain,
				     struct qcow2bm_error *err)
{
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		const struct q2_checkpoint *it = &chain->checkpoints[i];
		if (memchr(it->name, '^', it->name_bytes) != NULL)
			return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
				       "the name '%.*s' has a '^'; rename it first",
				       it->name_bytes > 200 ? 200 : (int)it->name_bytes,
				       it->name);
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_chain_convert(struct qcow2bm_chain *chain,
					enum qcow2bm_scheme scheme,
					struct qcow2bm_error *err)
{
	if (scheme != QCOW2BM_SCHEME_NESTED && scheme != QCOW2BM_SCHEME_DELTA)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the scheme to convert to is nested or delta");
	if (chain->checkpoint_count <= 1 || chain->order.scheme == scheme)
		return QCOW2BM_OK;
	if (chain->order.gap != NULL)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the order of the checkpoints is not known: %s",
			       chain->order.gap);
	enum qcow2bm_code code = q2_layers_check(chain, err);
	if (code == QCOW2BM_OK)
		code = q2_doubts_refuse_all(chain, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_begin(chain, err);
	if (code == QCOW2BM_OK)
		code = check_names(chain, err);
	if (code != QCOW2BM_OK)
		return code;
	return scheme == QCOW2BM_SCHEME_NESTED ? to_nested(chain, err)
					       : to_delta(chain, err);
}
