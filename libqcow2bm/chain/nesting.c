/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the bits of one checkpoint are all in another one's: the order of a nested chain. */
#include "../base/checked.h"
#include "../base/error.h"
#include "../bits/count.h"
#include "order.h"
#include "union.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How much of the disk a checkpoint's bits say. */
struct weight {
	size_t idx;
	uint64_t ones;
};

static enum qcow2bm_code count_piece(void *opaque, uint64_t first, uint64_t bits,
				     const uint64_t *words, bool value,
				     struct qcow2bm_error *err)
{
	uint64_t *ones = opaque;
	(void)first;
	(void)err;
	*ones += words != NULL ? q2_count_ones(words, (size_t)q2_shift_up(bits, 6))
			       : value * bits;
	return QCOW2BM_OK;
}

/* The coarsest granularity of all checkpoints, found once: each of 65535 asks for it. */
static unsigned find_granularity(struct qcow2bm_chain *chain)
{
	unsigned bits = chain->coarsest_bits;
	if (bits != 0)
		return bits;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		for (size_t layer = 0; layer < chain->layer_count; layer++) {
			const struct q2_bitmap *bitmap =
				q2_layers_bitmap(chain, &chain->checkpoints[i], layer);
			if (bitmap != NULL && bitmap->problem == NULL &&
			    bitmap->entry.granularity_bits > bits)
				bits = bitmap->entry.granularity_bits;
		}
	chain->coarsest_bits = bits;
	return bits;
}

static enum qcow2bm_code open_one(struct q2_union *u, struct qcow2bm_chain *chain,
				  size_t idx, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_union_open_checkpoints(
		u, chain, idx, 1, Q2_UNION_UNTRUSTED | Q2_UNION_NO_TAIL, err);
	if (code == QCOW2BM_OK)
		q2_union_set_granularity(u, find_granularity(chain));
	return code;
}

/* What a corrupt bitmap says is not known: nothing is older than its checkpoint, then. */
#define UNKNOWN_WEIGHT UINT64_MAX

static bool is_corrupt(const struct qcow2bm_chain *chain,
		       const struct q2_checkpoint *checkpoint)
{
	for (size_t layer = 0; layer < chain->layer_count; layer++) {
		const struct q2_bitmap *bitmap =
			q2_layers_bitmap(chain, checkpoint, layer);
		if (bitmap != NULL && bitmap->problem != NULL)
			return true;
	}
	return false;
}

/* Each checkpoint is judged, weighed and compared with the next one. */
static void note(const struct qcow2bm_chain *chain, size_t steps)
{
	q2_watch_note(chain->watch, steps, 3 * (uint64_t)chain->checkpoint_count);
}

/* All of them before the first is read: they are compared in the coarsest granularity. */
static enum qcow2bm_code judge_all(const struct qcow2bm_chain *chain,
				   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		const size_t *bitmaps = chain->checkpoints[i].bitmaps;
		note(chain, i);
		for (size_t layer = 0; code == QCOW2BM_OK && layer < chain->layer_count;
		     layer++)
			if (bitmaps[layer] != QCOW2BM_NOT_FOUND)
				code = q2_layers_judge(chain, layer, bitmaps[layer], err);
	}
	return code;
}

static enum qcow2bm_code weigh(struct qcow2bm_chain *chain, size_t idx, uint64_t *ones,
			       struct qcow2bm_error *err)
{
	struct q2_union u;
	bool is_known = !is_corrupt(chain, &chain->checkpoints[idx]);
	*ones = is_known ? 0 : UNKNOWN_WEIGHT;
	if (!is_known)
		return QCOW2BM_OK;
	enum qcow2bm_code code = open_one(&u, chain, idx, err);
	if (code == QCOW2BM_OK)
		code = q2_union_visit(&u, 0, u.bits, count_piece, ones, err);
	q2_union_close(&u);
	return code;
}

/* The most first; of those with as much the names tell, which are sorted. */
static int compare_weights(const void *a, const void *b)
{
	const struct weight *x = a, *y = b;
	if (x->ones != y->ones)
		return x->ones < y->ones ? 1 : -1;
	return (x->idx > y->idx) - (x->idx < y->idx);
}

static uint64_t word_of(const struct q2_union *u, bool is_uniform, bool value, size_t i,
			uint64_t bits)
{
	if (!is_uniform)
		return u->words[i];
	if (!value)
		return 0;
	uint64_t left = bits - (uint64_t)i * 64;
	/* Only whether bits differ matters, and in both the last word has the same shape. */
	return left >= 64 ? UINT64_MAX : UINT64_MAX >> (64 - left);
}

/* Lowers *is_inside and *is_equal where the newer has bits that the older lacks, or differs. */
static enum qcow2bm_code compare_window(struct q2_union *older, struct q2_union *newer,
					uint64_t first, uint64_t bits, bool *is_inside,
					bool *is_equal, struct qcow2bm_error *err)
{
	bool old_same, old_value, new_same, new_value;
	enum qcow2bm_code code =
		q2_union_read(older, first, bits, &old_same, &old_value, err);
	if (code == QCOW2BM_OK)
		code = q2_union_read(newer, first, bits, &new_same, &new_value, err);
	if (code != QCOW2BM_OK)
		return code;
	if (old_same && new_same) {
		*is_inside &= old_value || !new_value;
		*is_equal &= old_value == new_value;
		return code;
	}
	for (size_t i = 0; i < (size_t)q2_shift_up(bits, 6); i++) {
		uint64_t a = word_of(older, old_same, old_value, i, bits);
		uint64_t b = word_of(newer, new_same, new_value, i, bits);
		*is_inside &= (b & ~a) == 0;
		*is_equal &= a == b;
	}
	return code;
}

enum qcow2bm_code q2_nesting_compare(struct qcow2bm_chain *chain, size_t older,
				     size_t newer, bool *is_inside, bool *is_equal,
				     struct qcow2bm_error *err)
{
	struct q2_union a, b = {0};
	*is_inside = *is_equal = true;
	enum qcow2bm_code code = open_one(&a, chain, older, err);
	if (code == QCOW2BM_OK)
		code = open_one(&b, chain, newer, err);
	for (uint64_t at = 0; code == QCOW2BM_OK && at < a.bits && *is_inside;) {
		uint64_t bits = q2_min_u64(Q2_UNION_WINDOW_BITS, a.bits - at);
		code = q2_watch_look(chain->watch, err);
		if (code != QCOW2BM_OK)
			break;
		code = compare_window(&a, &b, at, bits, is_inside, is_equal, err);
		at += bits;
	}
	q2_union_close(&a);
	q2_union_close(&b);
	return code;
}

/* Puts the checkpoints in the order of how much of the disk changed since: in a nested chain the
 * oldest has the most. */
static enum qcow2bm_code sort_by_weight(struct qcow2bm_chain *chain,
					struct qcow2bm_error *err)
{
	size_t count = chain->checkpoint_count;
	struct weight *weights = calloc(count, sizeof(*weights));
	struct q2_checkpoint *copy = malloc(count * sizeof(*copy));
	enum qcow2bm_code code = QCOW2BM_OK;
	if (weights == NULL || copy == NULL)
		code = q2_fail_memory(err, "the order of checkpoints");
	for (size_t i = 0; code == QCOW2BM_OK && i < count; i++) {
		weights[i].idx = i;
		note(chain, count + i);
		code = weigh(chain, i, &weights[i].ones, err);
	}
	if (code == QCOW2BM_OK) {
		qsort(weights, count, sizeof(*weights), compare_weights);
		memcpy(copy, chain->checkpoints, count * sizeof(*copy));
		for (size_t i = 0; i < count; i++)
			chain->checkpoints[i] = copy[weights[i].idx];
	}
	free(weights);
	free(copy);
	return code;
}

static int shown(size_t bytes)
{
	return bytes > 80 ? 80 : (int)bytes;
}

enum qcow2bm_code q2_nesting_order(struct qcow2bm_chain *chain, bool *is_ordered,
				   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = judge_all(chain, err);
	if (code == QCOW2BM_OK)
		code = sort_by_weight(chain, err);
	size_t first = 0;
	while (code == QCOW2BM_OK && first < chain->checkpoint_count &&
	       is_corrupt(chain, &chain->checkpoints[first]))
		first++;
	*is_ordered = first == 0;
	if (first != 0)
		snprintf(chain->gap, sizeof(chain->gap), "'%.*s' is corrupt",
			 shown(chain->checkpoints[0].name_bytes),
			 chain->checkpoints[0].name);
	for (size_t i = first + 1; code == QCOW2BM_OK && i < chain->checkpoint_count;
	     i++) {
		struct q2_checkpoint *older = &chain->checkpoints[i - 1];
		struct q2_checkpoint *newer = &chain->checkpoints[i];
		bool is_inside;
		note(chain, 2 * chain->checkpoint_count + i);
		code = q2_nesting_compare(chain, i - 1, i, &is_inside, &newer->is_tie,
					  err);
		if (code != QCOW2BM_OK || is_inside)
			continue;
		if (*is_ordered)
			snprintf(
				chain->gap, sizeof(chain->gap),
				"'%.*s' has changes that are not in '%.*s', which has more",
				shown(newer->name_bytes), newer->name,
				shown(older->name_bytes), older->name);
		*is_ordered = false;
		newer->is_tie = false;
	}
	return code;
}
