/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clusters that a layer holds, and that are clean in bitmaps which are older than the layer. */
#include "allocated.h"

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../bits/count.h"
#include "inside.h"
#include "union.h"

#include <stdlib.h>

#define NONE QCOW2BM_NOT_FOUND

/* A layer's clusters against the bitmaps of a checkpoint in it. */
struct comparison {
	struct q2_union held, dirty;
	uint64_t lost_bits;
	uint64_t first_lost; /* bit */
};

static uint64_t word_of(const struct q2_union *u, bool is_uniform, bool value, size_t i)
{
	if (!is_uniform)
		return u->words[i];
	return value ? UINT64_MAX : 0;
}

/* Counts what is held and not dirty. Behind the end of the disk nothing is. */
static void count_lost(struct comparison *it, uint64_t first, uint64_t bits,
		       bool held_same, bool held_value, bool dirty_same, bool dirty_value)
{
	for (size_t i = 0; i < (size_t)q2_shift_up(bits, 6); i++) {
		uint64_t left = bits - (uint64_t)i * 64;
		uint64_t mask = left >= 64 ? UINT64_MAX : UINT64_MAX >> (64 - left);
		uint64_t lost =
			q2_le64(word_of(&it->held, held_same, held_value, i) &
				~word_of(&it->dirty, dirty_same, dirty_value, i)) &
			mask;
		if (lost == 0)
			continue;
		if (it->lost_bits == 0) {
			it->first_lost = first + (uint64_t)i * 64;
			while (!(lost >> (it->first_lost % 64) & 1))
				it->first_lost++;
		}
		it->lost_bits += q2_count_ones(&lost, 1);
	}
}

static enum qcow2bm_code compare(struct comparison *it, struct q2_watch *watch,
				 struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	uint64_t end = it->held.bits;
	for (uint64_t at = 0; code == QCOW2BM_OK && at < end;) {
		uint64_t bits = q2_min_u64(Q2_UNION_WINDOW_BITS, end - at);
		bool held_same, held_value, dirty_same, dirty_value;
		code = q2_watch_look(watch, err);
		if (code == QCOW2BM_OK)
			code = q2_union_read(&it->held, at, bits, &held_same, &held_value,
					     err);
		if (code == QCOW2BM_OK && !(held_same && !held_value)) {
			code = q2_union_read(&it->dirty, at, bits, &dirty_same,
					     &dirty_value, err);
			if (code == QCOW2BM_OK)
				count_lost(it, at, bits, held_same, held_value,
					   dirty_same, dirty_value);
		}
		at += bits;
	}
	return code;
}

/* The checkpoints whose bitmaps tell what changed since number `idx`. */
struct part {
	size_t first, end;
};

static struct part find_part(const struct qcow2bm_chain *chain, size_t idx)
{
	if (chain->order.scheme == QCOW2BM_SCHEME_NESTED)
		return (struct part){idx, idx + 1};
	return (struct part){chain->order.gap == NULL ? idx : 0, chain->checkpoint_count};
}

/* Opens both sides, at a granularity that a write to either dirties whole: a smaller part of a cluster
 * that is written fills the whole cluster. */
static enum qcow2bm_code open_both(struct comparison *it, struct qcow2bm_chain *chain,
				   size_t layer,
				   const struct qcow2bm_layer_bitmap *bitmaps,
				   size_t count, struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_union_open(&it->held, chain, NULL, 0, Q2_UNION_NO_TAIL, err);
	if (code == QCOW2BM_OK)
		code = q2_union_open(&it->dirty, chain, bitmaps, count,
				     Q2_UNION_NO_TAIL | Q2_UNION_COARSEST, err);
	if (code != QCOW2BM_OK)
		return code;
	struct qcow2bm_error why = {0};
	code = q2_source_open_allocated(&it->held.sources[0], chain->layers[layer].image,
					&why);
	if (code != QCOW2BM_OK)
		return q2_layers_blame(chain, layer, err, &why);
	it->held.count = 1;
	unsigned granularity_bits = it->dirty.granularity_bits;
	if (it->held.sources[0].granularity_bits > granularity_bits)
		granularity_bits = it->held.sources[0].granularity_bits;
	q2_union_set_granularity(&it->held, granularity_bits);
	q2_union_set_granularity(&it->dirty, granularity_bits);
	return code;
}

/* Changes that went with a missing checkpoint are said to be lost already. */
static bool has_hole(const struct qcow2bm_chain *chain, size_t idx)
{
	for (size_t i = idx + 1; i < chain->checkpoint_count; i++)
		if (q2_lineage_is_hole(chain, i))
			return true;
	return false;
}

enum qcow2bm_code q2_allocated_find(struct qcow2bm_chain *chain, size_t layer, size_t idx,
				    struct q2_watch *watch,
				    struct q2_allocated_loss *loss,
				    struct qcow2bm_error *err)
{
	struct comparison it = {.lost_bits = 0};
	struct part part = find_part(chain, idx);
	struct qcow2bm_layer_bitmap *bitmaps =
		calloc(part.end - part.first, sizeof(*bitmaps));
	*loss = (struct q2_allocated_loss){0};
	if (bitmaps == NULL)
		return q2_fail_memory(err, "the bits of several bitmaps");
	size_t count = 0;
	bool is_trusted = !has_hole(chain, idx);
	for (size_t i = part.first; i < part.end; i++) {
		size_t bitmap = chain->checkpoints[i].bitmaps[layer];
		if (bitmap == NONE)
			continue;
		is_trusted &= q2_inside_is_trusted(
			q2_layers_bitmap(chain, &chain->checkpoints[i], layer));
		bitmaps[count++] = (struct qcow2bm_layer_bitmap){layer, bitmap};
	}
	enum qcow2bm_code code = QCOW2BM_OK;
	struct qcow2bm_error why = {0};
	/* A layer that has none of them is told already. */
	is_trusted &= count != 0;
	if (is_trusted)
		code = open_both(&it, chain, layer, bitmaps, count, err);
	/* What a raw data file holds no table tells. */
	if (is_trusted && code == QCOW2BM_OK &&
	    q2_source_kind(&it.held.sources[0]) == Q2_SOURCE_ALLOCATED)
		code = compare(&it, watch, &why);
	if (why.code != QCOW2BM_OK)
		q2_layers_blame(chain, layer, err, &why);
	*loss = (struct q2_allocated_loss){it.lost_bits << it.held.granularity_bits,
					   it.first_lost << it.held.granularity_bits};
	q2_union_close(&it.held);
	q2_union_close(&it.dirty);
	free(bitmaps);
	return code;
}

static bool is_below(const struct q2_checkpoint *checkpoint, size_t layer, size_t count)
{
	for (layer++; layer < count; layer++)
		if (checkpoint->bitmaps[layer] != NONE)
			return true;
	return false;
}

bool q2_allocated_is_older(const struct qcow2bm_chain *chain, size_t layer, size_t idx)
{
	struct part part = find_part(chain, idx);
	for (size_t i = part.first; i < part.end; i++)
		if (is_below(&chain->checkpoints[i], layer, chain->layer_count))
			return true;
	return false;
}

/* ---- Verifying ------------------------------------------------------------------------- */

static void add(struct qcow2bm_findings *findings, const struct q2_allocated_loss *loss,
		size_t layer, size_t idx)
{
	const struct qcow2bm_chain *chain = findings->chain;
	const struct q2_checkpoint *checkpoint = &chain->checkpoints[idx];
	bool is_nested = chain->order.scheme != QCOW2BM_SCHEME_DELTA;
	q2_flaws_add(
		findings,
		is_nested ? Q2_FLAW_ALLOCATED_CLEAN : Q2_FLAW_ALLOCATED_CLEAN_OLDER,
		q2_place(layer, idx),
		"%llu bytes that this layer holds, the first at %llu, are clean since '%.*s', "
		"which is older than the layer: those changes would be lost, unless a job "
		"copied them here from below",
		(unsigned long long)loss->bytes, (unsigned long long)loss->first,
		q2_place_shown(checkpoint), checkpoint->name);
}

enum qcow2bm_code q2_allocated_verify(struct qcow2bm_findings *findings,
				      struct qcow2bm_chain *chain, struct q2_watch *watch,
				      struct qcow2bm_error *err)
{
	bool is_nested = chain->order.scheme == QCOW2BM_SCHEME_NESTED;
	struct q2_allocated_loss loss;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t layer = 0; code == QCOW2BM_OK && layer + 1 < chain->layer_count;
	     layer++)
		/* Delta: what is right for the newest is right for those that are older. */
		for (size_t i = chain->checkpoint_count; code == QCOW2BM_OK && i-- > 0;) {
			q2_watch_note(watch, watch->done + 1, watch->total);
			if (!is_below(&chain->checkpoints[i], layer, chain->layer_count))
				continue;
			code = q2_allocated_find(chain, layer, i, watch, &loss, err);
			if (code == QCOW2BM_OK && loss.bytes != 0)
				add(findings, &loss, layer, i);
			if (!is_nested)
				break;
		}
	return code;
}
