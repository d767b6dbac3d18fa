/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Telling the two schemes apart: how many checkpoints record in the layer that the guest writes. */
#include "order.h"

#include "flaws.h"

size_t q2_scheme_layer(const struct qcow2bm_chain *chain)
{
	for (size_t layer = 0; layer < chain->layer_count; layer++)
		for (size_t i = 0; i < chain->checkpoint_count; i++)
			if (chain->checkpoints[i].bitmaps[layer] != QCOW2BM_NOT_FOUND)
				return layer;
	return chain->layer_count;
}

/*
 * Lower layers do not count: the bitmap that was newest at a snapshot keeps its flag there for ever.
 * A name with a parent's in it is only given in delta chains.
 */
enum qcow2bm_scheme q2_scheme_find(const struct qcow2bm_chain *chain)
{
	size_t layer = q2_scheme_layer(chain), recording = 0;
	if (chain->checkpoint_count == 0)
		return QCOW2BM_SCHEME_NONE;
	bool has_parents = false;
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		recording += q2_layers_records(chain, i, layer);
		has_parents |= chain->checkpoints[i].parent != NULL;
	}
	if (has_parents)
		return QCOW2BM_SCHEME_DELTA;
	if (chain->checkpoint_count == 1)
		return QCOW2BM_SCHEME_ANY;
	if (recording == 0)
		return QCOW2BM_SCHEME_UNKNOWN;
	return recording == 1 ? QCOW2BM_SCHEME_DELTA : QCOW2BM_SCHEME_NESTED;
}

size_t q2_scheme_newest(const struct qcow2bm_chain *chain)
{
	size_t newest = 0;
	while (newest < chain->checkpoint_count && !q2_scheme_is_newest(chain, newest))
		newest++;
	return newest < chain->checkpoint_count ? newest : QCOW2BM_NOT_FOUND;
}

bool q2_scheme_is_newest(const struct qcow2bm_chain *chain, size_t idx)
{
	size_t layer = q2_scheme_layer(chain);
	if (!q2_layers_records(chain, idx, layer))
		return false;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		if (i != idx && (q2_layers_records(chain, i, layer) ||
				 q2_lineage_is_child(&chain->checkpoints[i],
						     &chain->checkpoints[idx])))
			return false;
	return true;
}
