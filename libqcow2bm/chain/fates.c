/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of each checkpoint in a repair, by what was found. */
#include "fates.h"

#include "../base/error.h"
#include "order.h"

#include <stdlib.h>

#define NONE QCOW2BM_NOT_FOUND

bool q2_fates_is_in_use(const struct qcow2bm_chain *chain, size_t idx, size_t layer)
{
	const struct q2_bitmap *bitmap =
		q2_layers_bitmap(chain, &chain->checkpoints[idx], layer);
	return bitmap != NULL && bitmap->problem == NULL &&
	       bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE;
}

static bool is_each_alone(const struct qcow2bm_chain *chain)
{
	return chain->checkpoint_count <= 1 ||
	       chain->order.scheme == QCOW2BM_SCHEME_NESTED;
}

/* Which checkpoint the bitmaps of a layer say was the newest while it was the top. */
static size_t find_recording(const struct qcow2bm_chain *chain, size_t layer,
			     bool *has_any)
{
	size_t found = NONE, count = 0;
	bool is_newest = false;
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		const struct q2_bitmap *bitmap =
			q2_layers_bitmap(chain, &chain->checkpoints[i], layer);
		if (bitmap == NULL)
			continue;
		*has_any = true;
		is_newest = q2_layers_is_recording(bitmap);
		count += is_newest;
		found = is_newest ? i : found;
	}
	bool is_sure = chain->order.gap == NULL ? is_newest : count == 1;
	return is_sure ? found : NONE;
}

size_t q2_fates_maker(const struct qcow2bm_chain *chain, size_t idx, size_t layer)
{
	bool has_any = false;
	if (is_each_alone(chain))
		return idx;
	for (layer++; layer < chain->layer_count; layer++) {
		size_t found = find_recording(chain, layer, &has_any);
		if (has_any)
			return found;
	}
	return NONE;
}

static void doom(struct q2_fates *fates, size_t idx, const char *why)
{
	if (fates->of[idx] != Q2_FATE_KEEP)
		return;
	fates->of[idx] = fates->all_dirty ? Q2_FATE_FILL : Q2_FATE_DROP;
	fates->why[idx] = why;
}

static void reset(struct q2_fates *fates, const char *why)
{
	if (!fates->is_reset)
		fates->reset_reason = why;
	fates->is_reset = true;
}

/* No bitmap records in the top. The newest can go on if its bits are all dirty. */
static void take_newest(struct q2_fates *fates, const char *why)
{
	const struct qcow2bm_chain *chain = fates->chain;
	size_t newest = chain->checkpoint_count - 1;
	if (chain->order.gap != NULL)
		reset(fates, why);
	else if (!q2_fates_is_in_use(chain, newest, 0))
		doom(fates, newest, why);
}

static void take_missing(struct q2_fates *fates, const struct qcow2bm_finding *it)
{
	size_t maker = q2_fates_maker(fates->chain, it->idx, it->layer_idx);
	if (maker == NONE)
		doom(fates, it->idx, it->sentence);
}

/* Names tell no order. Who gave one may have it in the names, unless a layer has two of one. */
static void take_names(struct q2_fates *fates, const char *why)
{
	const struct qcow2bm_chain *chain = fates->chain;
	bool has_double = false;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		has_double |= chain->checkpoints[i].is_double;
	if (has_double)
		reset(fates, why);
	else if (chain->order.witness == QCOW2BM_WITNESS_GIVEN)
		fates->is_renaming = true;
	else
		fates->disorder = why;
}

/* What one finding means for the checkpoints that it is about. */
static void take(struct q2_fates *fates, const struct q2_finding *finding)
{
	const struct qcow2bm_finding *it = &finding->shown;
	switch (q2_flaws_kind(finding->id)->remedy) {
	case Q2_REMEDY_NOTHING:
	case Q2_REMEDY_SILENCE:
	case Q2_REMEDY_REMOVE:
	case Q2_REMEDY_FILL:
		break;
	case Q2_REMEDY_MAKE:
		take_missing(fates, it);
		break;
	case Q2_REMEDY_DROP:
		if (it->layer_idx != NONE &&
		    q2_fates_is_in_use(fates->chain, it->idx, it->layer_idx))
			break;
		doom(fates, it->idx, it->sentence);
		if (it->other_idx != NONE)
			doom(fates, it->other_idx, it->sentence);
		break;
	case Q2_REMEDY_DROP_NEWEST:
		take_newest(fates, it->sentence);
		break;
	case Q2_REMEDY_BRIDGE:
		if (!fates->all_dirty)
			doom(fates, it->idx, it->sentence);
		break;
	case Q2_REMEDY_RENAME:
		take_names(fates, it->sentence);
		break;
	}
}

/* Without an order each may be older than one that goes, but for the newest: it stays, if nothing else speaks
 * against it. */
static void spread_all(struct q2_fates *fates, const char *why)
{
	bool stays = fates->newest != NONE && fates->of[fates->newest] == Q2_FATE_KEEP;
	if (!stays)
		reset(fates, why);
	for (size_t i = 0; i < fates->chain->checkpoint_count; i++)
		if (i != fates->newest || !stays)
			doom(fates, i, why);
}

/* In the delta scheme older checkpoints need the bits of one that goes. */
static void spread(struct q2_fates *fates)
{
	const struct qcow2bm_chain *chain = fates->chain;
	const char *why = NULL;
	bool is_known =
		chain->order.scheme != QCOW2BM_SCHEME_UNKNOWN && chain->order.gap == NULL;
	if (fates->disorder != NULL) {
		spread_all(fates, fates->disorder);
		return;
	}
	if (is_each_alone(chain))
		return;
	for (size_t i = chain->checkpoint_count; i-- > 0;) {
		if (fates->of[i] == Q2_FATE_DROP)
			why = fates->why[i];
		if (why == NULL)
			continue;
		if (!is_known) {
			spread_all(fates, why);
			break;
		}
		doom(fates, i, why);
	}
}

/* In an order that is not known; only the one that records can be told apart. */
static size_t find_newest(const struct qcow2bm_chain *chain, bool all_dirty)
{
	return chain->order.gap == NULL || all_dirty || !q2_layers_is_delta(chain)
		       ? NONE
		       : q2_scheme_newest(chain);
}

enum qcow2bm_code q2_fates_open(struct q2_fates *fates, struct qcow2bm_chain *chain,
				const struct qcow2bm_findings *findings, size_t disk_idx,
				bool all_dirty, struct qcow2bm_error *err)
{
	size_t count = chain->checkpoint_count + 1;
	*fates = (struct q2_fates){
		.chain = chain,
		.findings = findings,
		.disk_idx = disk_idx,
		.all_dirty = all_dirty,
		.newest = find_newest(chain, all_dirty),
		.of = calloc(count, sizeof(*fates->of)),
		.why = calloc(count, sizeof(*fates->why)),
	};
	if (fates->of == NULL || fates->why == NULL)
		return q2_fail_memory(err, "what becomes of checkpoints");
	for (size_t i = 0; i < findings->count; i++)
		if (findings->list[i].shown.disk_idx == disk_idx)
			take(fates, &findings->list[i]);
	spread(fates);
	return QCOW2BM_OK;
}

void q2_fates_close(struct q2_fates *fates)
{
	free(fates->of);
	free(fates->why);
	*fates = (struct q2_fates){.of = NULL};
}
