/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything counts as changed since a checkpoint: bitmaps that are all dirty. */
#include "fill.h"

enum qcow2bm_code q2_fill_is_untrue(struct qcow2bm_chain *chain,
				    const struct q2_checkpoint *it, size_t layer,
				    bool *is, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_layers_judge(chain, layer, it->bitmaps[layer], err);
	if (code != QCOW2BM_OK)
		return code;
	const struct q2_bitmap *bitmap = q2_layers_bitmap(chain, it, layer);
	*is = bitmap->problem != NULL || bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE;
	return QCOW2BM_OK;
}

/* A corrupt one is made anew, in-use ones are recovered. */
static enum qcow2bm_code drop_corrupt(struct qcow2bm_chain *chain,
				      struct q2_checkpoint *it, size_t layer,
				      struct qcow2bm_error *err)
{
	bool is_untrue;
	enum qcow2bm_code code = q2_fill_is_untrue(chain, it, layer, &is_untrue, err);
	if (code != QCOW2BM_OK || q2_layers_bitmap(chain, it, layer)->problem == NULL)
		return code;
	return q2_stage_drop(chain, it, layer, err);
}

enum qcow2bm_code q2_fill_layer(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				size_t layer, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	bool is_recording = q2_stage_is_recording(it, layer) || !q2_stage_has(it, layer);
	if (q2_stage_has(it, layer) && it->bitmaps[layer] != QCOW2BM_NOT_FOUND)
		code = drop_corrupt(chain, it, layer, err);
	if (code != QCOW2BM_OK)
		return code;
	if (q2_stage_has(it, layer))
		return q2_stage_fill_all(chain, it, layer, err);
	code = q2_stage_add(chain, it, layer, is_recording, err);
	return code == QCOW2BM_OK
		       ? q2_stage_fill(chain, it, layer, Q2_SOURCE_EVERYTHING, err)
		       : code;
}

enum qcow2bm_code q2_fill_below(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				size_t lowest, bool in_every_layer,
				struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t layer = 1; code == QCOW2BM_OK && layer <= lowest; layer++) {
		bool is_wanted = in_every_layer && !q2_stage_has(it, layer);
		if (q2_stage_has(it, layer))
			code = q2_fill_is_untrue(chain, it, layer, &is_wanted, err);
		if (code == QCOW2BM_OK && is_wanted)
			code = q2_fill_layer(chain, it, layer, err);
	}
	return code;
}

size_t q2_fill_lowest(const struct qcow2bm_chain *chain, size_t first, size_t end)
{
	for (size_t layer = chain->layer_count; layer-- > 1;)
		for (size_t i = first; i < end; i++)
			if (q2_stage_has(&chain->checkpoints[i], layer))
				return layer;
	return 0;
}

enum qcow2bm_code q2_fill_nested(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				 struct qcow2bm_error *err)
{
	size_t number = (size_t)(it - chain->checkpoints);
	size_t lowest = q2_fill_lowest(chain, number, number + 1);
	enum qcow2bm_code code = q2_fill_layer(chain, it, 0, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_record(chain, it, 0, true, err);
	return code == QCOW2BM_OK ? q2_fill_below(chain, it, lowest, true, err) : code;
}
