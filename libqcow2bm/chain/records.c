/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether bitmaps record where the scheme of the checkpoints wants it, and nowhere else. */
#include "flaws.h"
#include "order.h"

/* Nested: each records for ever. */
static void verify_nested(struct qcow2bm_findings *findings)
{
	const struct qcow2bm_chain *chain = findings->chain;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		for (size_t layer = 0; layer < chain->layer_count; layer++) {
			const struct q2_checkpoint *checkpoint = &chain->checkpoints[i];
			const struct q2_bitmap *bitmap =
				q2_layers_bitmap(chain, checkpoint, layer);
			if (bitmap == NULL || q2_layers_is_recording(bitmap))
				continue;
			q2_flaws_add(
				findings,
				layer == 0 ? Q2_FLAW_DISABLED : Q2_FLAW_DISABLED_BELOW,
				q2_place(layer, i),
				"'%.*s' does not record%s: what was written since it did "
				"is not known",
				q2_place_shown(checkpoint), checkpoint->name,
				layer == 0 ? "" : " in this layer");
		}
}

static bool is_recording(const struct qcow2bm_chain *chain, size_t idx)
{
	const struct q2_bitmap *bitmap =
		q2_layers_bitmap(chain, &chain->checkpoints[idx], 0);
	return bitmap != NULL && q2_layers_is_recording(bitmap);
}

static void add_older(struct qcow2bm_findings *findings, size_t idx, bool newest_records)
{
	const struct q2_checkpoint *checkpoint = &findings->chain->checkpoints[idx];
	q2_flaws_add(
		findings, newest_records ? Q2_FLAW_RECORDING : Q2_FLAW_RECORDING_ALONE,
		q2_place(0, idx),
		"'%.*s' records, but is not the newest checkpoint: more than what changed "
		"up to the next one is in it",
		q2_place_shown(checkpoint), checkpoint->name);
}

/* Delta, and its order is known: the newest alone. Where the top has none of it that is said
 * elsewhere. */
static void verify_newest(struct qcow2bm_findings *findings)
{
	const struct qcow2bm_chain *chain = findings->chain;
	size_t newest = chain->checkpoint_count - 1;
	const struct q2_checkpoint *checkpoint = &chain->checkpoints[newest];
	bool newest_records = is_recording(chain, newest);
	if (!newest_records && checkpoint->bitmaps[0] != QCOW2BM_NOT_FOUND)
		q2_flaws_add(
			findings, Q2_FLAW_DISABLED, q2_place(0, newest),
			"'%.*s', the newest checkpoint, does not record: what was written since "
			"it did is not known",
			q2_place_shown(checkpoint), checkpoint->name);
	for (size_t i = 0; i < newest; i++)
		if (is_recording(chain, i))
			add_older(findings, i, newest_records);
}

void q2_records_verify(struct qcow2bm_findings *findings)
{
	const struct qcow2bm_chain *chain = findings->chain;
	enum qcow2bm_scheme scheme = chain->order.scheme;
	if (scheme == QCOW2BM_SCHEME_NESTED || chain->checkpoint_count == 1) {
		verify_nested(findings);
		return;
	}
	if (chain->checkpoint_count == 0 || q2_scheme_layer(chain) != 0)
		return;
	size_t recording = 0;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		recording += is_recording(chain, i);
	if (recording == 0)
		q2_flaws_add(
			findings, Q2_FLAW_DISABLED_ALL, q2_place(0, QCOW2BM_NOT_FOUND),
			"no checkpoint records in the top layer: what was written since one did "
			"is not known");
	else if (chain->order.gap == NULL)
		verify_newest(findings);
}
