/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* After a restore the disk is not what its bitmaps say: what can still be true of them stays. */
#include "../base/error.h"
#include "commit.h"
#include "fill.h"
#include "flaws.h"
#include "order.h"

#include <stdlib.h>

static enum qcow2bm_code drop_all(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				  size_t first_layer, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t layer = first_layer; code == QCOW2BM_OK && layer < chain->layer_count;
	     layer++)
		if (q2_stage_has(it, layer))
			code = q2_stage_drop(chain, it, layer, err);
	return code;
}

enum qcow2bm_code qcow2bm_chain_forget(struct qcow2bm_chain *chain,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_stage_begin(chain, err);
	while (code == QCOW2BM_OK && chain->checkpoint_count != 0) {
		size_t last = chain->checkpoint_count - 1;
		code = drop_all(chain, &chain->checkpoints[last], 0, err);
		if (code == QCOW2BM_OK)
			q2_stage_forget(chain, last);
	}
	return code;
}

/* Empty and recording in the top, and in no other layer. What a crash left in-use, or what is corrupt, is
 * made anew. */
static enum qcow2bm_code begin_anew(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				    struct qcow2bm_error *err)
{
	bool is_new = !q2_stage_has(it, 0);
	enum qcow2bm_code code = drop_all(chain, it, 1, err);
	if (code == QCOW2BM_OK && !is_new)
		code = q2_fill_is_untrue(chain, it, 0, &is_new, err);
	if (code != QCOW2BM_OK)
		return code;
	if (is_new) {
		if (q2_stage_has(it, 0))
			code = q2_stage_drop(chain, it, 0, err);
		return code == QCOW2BM_OK ? q2_stage_add(chain, it, 0, true, err) : code;
	}
	code = q2_stage_clear(chain, it, 0, err);
	return code == QCOW2BM_OK ? q2_stage_record(chain, it, 0, true, err) : code;
}

/* Delta: a layer in which only dropped bitmaps were began after the checkpoint before them, and an
 * empty one of that says so; with none it would look like a layer that nobody recorded. */
static enum qcow2bm_code bridge(struct qcow2bm_chain *chain, size_t idx,
				const bool *had_newer, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	size_t lowest = q2_fill_lowest(chain, 0, idx);
	for (size_t layer = 1; code == QCOW2BM_OK && layer < lowest; layer++) {
		bool has_older = false;
		for (size_t i = 0; i < idx; i++)
			has_older |= q2_stage_has(&chain->checkpoints[i], layer);
		if (had_newer[layer] && !has_older)
			code = q2_stage_add(chain, &chain->checkpoints[idx - 1], layer,
					    false, err);
	}
	return code;
}

static void note_layers(const struct qcow2bm_chain *chain, size_t idx, bool *had_newer)
{
	for (size_t layer = 0; layer < chain->layer_count; layer++)
		for (size_t i = idx; i < chain->checkpoint_count; i++)
			had_newer[layer] |= q2_stage_has(&chain->checkpoints[i], layer);
}

/* Nested: of checkpoints that the bits do not tell from the one that the disk is at, each may be the
 * newer one. With its bits, too, all are a superset, at whatever granularity. */
static enum qcow2bm_code cover_ties(struct qcow2bm_chain *chain, size_t first, size_t end,
				    size_t idx, struct qcow2bm_error *err)
{
	const struct q2_checkpoint *at = &chain->checkpoints[idx];
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = first; i < end; i++) {
		struct q2_checkpoint *tie = &chain->checkpoints[i];
		for (size_t layer = 0; i != idx && layer < chain->layer_count; layer++) {
			if (!q2_stage_has(at, layer))
				continue;
			if (!q2_stage_has(tie, layer))
				code = q2_stage_add(chain, tie, layer, true, err);
			if (code == QCOW2BM_OK)
				code = q2_stage_merge(chain, tie, at, layer, err);
			if (code != QCOW2BM_OK)
				return code;
		}
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code is_trusted(struct qcow2bm_chain *chain,
				    const struct q2_checkpoint *it, bool *is,
				    struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	*is = true;
	for (size_t layer = 0; code == QCOW2BM_OK && *is && layer < chain->layer_count;
	     layer++) {
		bool is_untrue = false;
		if (q2_stage_has(it, layer))
			code = q2_fill_is_untrue(chain, it, layer, &is_untrue, err);
		*is = !is_untrue;
	}
	return code;
}

/*
 * What a restore has written to the top is clean there, though it is older than the top: that would look like
 * lost changes. So all bits of a checkpoint go to the top; what is in-use or corrupt stays where it is.
 */
static enum qcow2bm_code move_up(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				 struct qcow2bm_error *err)
{
	bool may_move;
	enum qcow2bm_code code = is_trusted(chain, it, &may_move, err);
	if (code != QCOW2BM_OK || !may_move ||
	    (!q2_stage_has(it, 0) && !q2_layers_is_delta(chain)))
		return code;
	code = q2_commit_gather(chain, it, chain->layer_count - 1, err);
	return code == QCOW2BM_OK ? drop_all(chain, it, 1, err) : code;
}

/* Before a source of bits names one of them: to open a layer anew would close it. */
static enum qcow2bm_code open_all(struct qcow2bm_chain *chain, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t layer = 0; code == QCOW2BM_OK && layer < chain->layer_count;
	     layer++) {
		struct qcow2bm_edit *edit;
		bool is_used = layer == 0;
		for (size_t i = 0; i < chain->checkpoint_count; i++)
			is_used |= q2_stage_has(&chain->checkpoints[i], layer);
		if (is_used)
			code = q2_stage_edit(chain, layer, &edit, err);
	}
	return code;
}

static enum qcow2bm_code go_back(struct qcow2bm_chain *chain, size_t idx, bool *had_newer,
				 struct qcow2bm_error *err)
{
	bool is_delta = chain->order.scheme == QCOW2BM_SCHEME_DELTA;
	size_t first = idx, end = idx + 1;
	while (first > 0 && chain->checkpoints[first].is_tie)
		first--;
	while (end < chain->checkpoint_count && chain->checkpoints[end].is_tie)
		end++;
	note_layers(chain, idx, had_newer);
	enum qcow2bm_code code = open_all(chain, err);
	/* The bits of this one are wanted for ties alone, of which the delta scheme knows none. */
	for (size_t i = 0; code == QCOW2BM_OK && i < end; i++)
		if (i != idx || !is_delta)
			code = move_up(chain, &chain->checkpoints[i], err);
	if (code == QCOW2BM_OK)
		code = cover_ties(chain, first, end, idx, err);
	while (code == QCOW2BM_OK && chain->checkpoint_count > end) {
		size_t last = chain->checkpoint_count - 1;
		code = drop_all(chain, &chain->checkpoints[last], 0, err);
		if (code == QCOW2BM_OK)
			q2_stage_forget(chain, last);
	}
	if (code == QCOW2BM_OK)
		code = begin_anew(chain, &chain->checkpoints[idx], err);
	return code == QCOW2BM_OK && is_delta && idx > 0
		       ? bridge(chain, idx, had_newer, err)
		       : code;
}

/* What both ways need to know. */
static enum qcow2bm_code check_order(const struct qcow2bm_chain *chain, bool with_gap,
				     struct qcow2bm_error *err)
{
	if (chain->order.scheme == QCOW2BM_SCHEME_UNKNOWN)
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the scheme of the checkpoints is not known: none records");
	if (chain->order.gap != NULL && !with_gap)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the order of the checkpoints is not known: %s",
			       chain->order.gap);
	return QCOW2BM_OK;
}

/* Nested, in an order that was given: one that stays as older but lacks bits of the one that the disk is at is
 * newer, and does not tell what changed between them. */
static enum qcow2bm_code check_given(struct qcow2bm_chain *chain, size_t idx,
				     struct qcow2bm_error *err)
{
	const struct q2_checkpoint *at = &chain->checkpoints[idx];
	bool can_compare;
	enum qcow2bm_code code = is_trusted(chain, at, &can_compare, err);
	if (code != QCOW2BM_OK || !can_compare ||
	    chain->order.scheme != QCOW2BM_SCHEME_NESTED ||
	    chain->order.witness != QCOW2BM_WITNESS_GIVEN)
		return code;
	for (size_t i = 0; i < idx; i++) {
		const struct q2_checkpoint *it = &chain->checkpoints[i];
		bool is_inside = true, is_equal;
		code = is_trusted(chain, it, &can_compare, err);
		if (code == QCOW2BM_OK && can_compare)
			code = q2_nesting_compare(chain, i, idx, &is_inside, &is_equal,
						  err);
		if (code != QCOW2BM_OK)
			return code;
		if (!is_inside)
			return q2_fail(
				err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
				"by the order that was given '%.*s' is older than '%.*s', but it lacks bits of it",
				q2_place_shown(it), it->name, q2_place_shown(at),
				at->name);
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_chain_go_back(struct qcow2bm_chain *chain, size_t idx,
					struct qcow2bm_error *err)
{
	if (idx >= chain->checkpoint_count)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "there is no checkpoint of this number");
	enum qcow2bm_code code = check_order(chain, false, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_begin(chain, err);
	if (code == QCOW2BM_OK)
		code = check_given(chain, idx, err);
	if (code != QCOW2BM_OK)
		return code;
	bool *had_newer = calloc(chain->layer_count, sizeof(bool));
	if (had_newer == NULL)
		return q2_fail_memory(err, "the layers of a disk");
	code = go_back(chain, idx, had_newer, err);
	free(had_newer);
	return code;
}

/* Delta: the newest one, or, where the order is not known, the one that records. */
static size_t find_newest(const struct qcow2bm_chain *chain)
{
	if (chain->order.gap == NULL)
		return chain->checkpoint_count - 1;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		if (q2_stage_is_recording(&chain->checkpoints[i], 0))
			return i;
	return QCOW2BM_NOT_FOUND;
}

/* All that is not known to be true becomes dirty, in the layers where the delta scheme looks for it. */
static enum qcow2bm_code fill_delta(struct qcow2bm_chain *chain,
				    struct qcow2bm_error *err)
{
	size_t newest = find_newest(chain);
	if (newest == QCOW2BM_NOT_FOUND)
		return check_order(chain, false, err);
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++) {
		struct q2_checkpoint *it = &chain->checkpoints[i];
		if (i == newest || q2_stage_has(it, 0))
			code = q2_fill_layer(chain, it, 0, err);
		if (code == QCOW2BM_OK)
			code = q2_fill_below(chain, it, q2_fill_lowest(chain, i, i + 1),
					     false, err);
	}
	if (code == QCOW2BM_OK)
		code = q2_stage_record(chain, &chain->checkpoints[newest], 0, true, err);
	/* A layer without any would look like one that nobody recorded. */
	size_t lowest = q2_fill_lowest(chain, 0, chain->checkpoint_count);
	for (size_t layer = 1; code == QCOW2BM_OK && layer < lowest; layer++) {
		bool has_any = false;
		for (size_t i = 0; i < chain->checkpoint_count; i++)
			has_any |= q2_stage_has(&chain->checkpoints[i], layer);
		if (!has_any)
			code = q2_fill_layer(chain, &chain->checkpoints[newest], layer,
					     err);
	}
	return code;
}

enum qcow2bm_code qcow2bm_chain_fill(struct qcow2bm_chain *chain,
				     struct qcow2bm_error *err)
{
	if (chain->checkpoint_count == 0)
		return QCOW2BM_OK;
	enum qcow2bm_code code = check_order(chain, true, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_begin(chain, err);
	if (code == QCOW2BM_OK && chain->order.scheme == QCOW2BM_SCHEME_DELTA)
		return fill_delta(chain, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++)
		code = q2_fill_nested(chain, &chain->checkpoints[i], err);
	return code;
}
