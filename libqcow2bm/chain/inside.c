/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the older checkpoints of a nested chain have all bits of the newer ones. */
#include "inside.h"

#include "order.h"

/* Whether the bits of a checkpoint should be all that changed: where a layer has none, or one that is
 * in-use, corrupt or does not record, that is said already, and is why bits are missing. */
static bool is_whole(const struct qcow2bm_chain *chain, size_t idx)
{
	bool is_begun = false;
	for (size_t layer = chain->layer_count; layer-- > 0;) {
		const struct q2_bitmap *bitmap =
			q2_layers_bitmap(chain, &chain->checkpoints[idx], layer);
		is_begun |= bitmap != NULL;
		if (is_begun && (bitmap == NULL || !q2_inside_is_trusted(bitmap) ||
				 !q2_layers_is_recording(bitmap)))
			return false;
	}
	return true;
}

static enum qcow2bm_code compare(struct qcow2bm_findings *findings,
				 struct qcow2bm_chain *chain, size_t idx,
				 struct qcow2bm_error *err)
{
	const struct q2_checkpoint *older = &chain->checkpoints[idx - 1];
	const struct q2_checkpoint *newer = &chain->checkpoints[idx];
	struct q2_place place = {QCOW2BM_NOT_FOUND, idx - 1, idx, QCOW2BM_NOT_FOUND};
	bool is_inside, is_equal;
	enum qcow2bm_code code =
		q2_nesting_compare(chain, idx - 1, idx, &is_inside, &is_equal, err);
	if (code != QCOW2BM_OK || is_inside)
		return code;
	q2_flaws_add(
		findings, Q2_FLAW_NOT_NESTED, place,
		"'%.*s' has changes that are not in '%.*s', though that %s: one of them lacks "
		"changes",
		q2_place_shown(newer), newer->name, q2_place_shown(older), older->name,
		chain->order.witness == QCOW2BM_WITNESS_GIVEN ? "is older" : "has more");
	return code;
}

enum qcow2bm_code q2_inside_verify(struct qcow2bm_findings *findings,
				   struct qcow2bm_chain *chain, struct q2_watch *watch,
				   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	/* What the order was found by is so. */
	if (chain->order.scheme != QCOW2BM_SCHEME_NESTED ||
	    chain->order.witness == QCOW2BM_WITNESS_BITS)
		return code;
	for (size_t i = 1; code == QCOW2BM_OK && i < chain->checkpoint_count; i++) {
		q2_watch_note(watch, watch->done + 1, watch->total);
		code = q2_watch_look(watch, err);
		if (code == QCOW2BM_OK && is_whole(chain, i - 1) && is_whole(chain, i))
			code = compare(findings, chain, i, err);
	}
	return code;
}
