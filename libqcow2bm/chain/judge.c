/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A checkpoint against what differs from an older state of the disk. */
#include "../guest/differ.h"

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "order.h"
#include "proof.h"
#include "union.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_WORDS (Q2_UNION_WINDOW_BITS / 64)

/* Both sides, at one granularity. */
struct comparison {
	struct q2_union dirty;
	struct q2_union
		fine; /* the same bitmaps at their own granularity, which is finer */
	bool has_fine;
	struct q2_source differs;
	struct q2_source unknown; /* of those, what is not known to */
	bool has_unknown;
	uint64_t *words, *unknown_words, *scratch;
	struct q2_proof proof;
	struct q2_watch *watch;
};

/* One side of a window: all alike, or words. */
struct side {
	bool is_uniform, value;
	const uint64_t *words;
};

static uint64_t word_of(const struct side *side, size_t i)
{
	if (!side->is_uniform)
		return q2_le64(side->words[i]);
	return side->value ? UINT64_MAX : 0;
}

static enum qcow2bm_code read_found(struct comparison *it, struct q2_source *source,
				    uint64_t first, uint64_t bits, uint64_t *words,
				    struct side *side, struct qcow2bm_error *err)
{
	unsigned granularity_bits = it->dirty.granularity_bits;
	struct q2_source_range range =
		q2_convert_range(source, granularity_bits, first, bits);
	enum q2_uniform kind = q2_source_classify(source, range.first, range.bits);
	*side = (struct side){true, kind == Q2_UNIFORM_ONES, NULL};
	if (kind != Q2_UNIFORM_MIXED)
		return QCOW2BM_OK;
	*side = (struct side){false, false, words};
	if (source->granularity_bits == granularity_bits)
		return q2_source_read(source, first, bits, words, err);
	memset(words, 0, WINDOW_WORDS * sizeof(*words));
	return q2_convert_read(source, granularity_bits, first, bits, words, it->scratch,
			       err);
}

/* A granule of the manifest that differs, and some of it is dirty: is all of it? */
static enum qcow2bm_code look_closer(struct comparison *it, uint64_t bit,
				     enum qcow2bm_proof *kind, struct qcow2bm_error *err)
{
	unsigned shift = it->dirty.granularity_bits - it->fine.granularity_bits;
	uint64_t first = bit << shift;
	uint64_t end = q2_min_u64(first + ((uint64_t)1 << shift), it->fine.bits);
	bool has_clean = false;
	/* Reading begins with a whole word. */
	uint64_t from = first & ~(uint64_t)63;
	bool is_uniform, value;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (uint64_t at = from; code == QCOW2BM_OK && at < end;
	     at += Q2_UNION_WINDOW_BITS) {
		uint64_t bits = q2_min_u64(Q2_UNION_WINDOW_BITS, end - at);
		code = q2_union_read(&it->fine, at, bits, &is_uniform, &value, err);
		if (code != QCOW2BM_OK)
			return code;
		for (uint64_t i = first > at ? first - at : 0; !is_uniform && i < bits;
		     i++)
			has_clean |=
				(q2_le64(it->fine.words[i / 64]) >> (i % 64) & 1) == 0;
		has_clean |= is_uniform && !value;
	}
	*kind = has_clean ? QCOW2BM_PROOF_OPEN : QCOW2BM_PROOF_CHANGED;
	return code;
}

static enum qcow2bm_code add_bit(struct comparison *it, uint64_t bit, bool differs,
				 bool unknown, bool dirty, struct qcow2bm_error *err)
{
	enum qcow2bm_proof kind = QCOW2BM_PROOF_UNCHANGED;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (unknown)
		kind = QCOW2BM_PROOF_OPEN;
	else if (differs)
		kind = dirty ? QCOW2BM_PROOF_CHANGED : QCOW2BM_PROOF_LOST;
	else if (dirty)
		kind = QCOW2BM_PROOF_SURPLUS;
	if (kind == QCOW2BM_PROOF_CHANGED && it->has_fine)
		code = look_closer(it, bit, &kind, err);
	return code == QCOW2BM_OK ? q2_proof_add(&it->proof, bit, 1, kind, err) : code;
}

/* All 64 bits, or as many as there are, of a kind that is told without looking closer. */
static bool is_alike(const struct comparison *it, uint64_t differs, uint64_t dirty,
		     enum qcow2bm_proof *kind)
{
	if ((differs != 0 && differs != UINT64_MAX) ||
	    (dirty != 0 && dirty != UINT64_MAX) ||
	    (differs != 0 && dirty != 0 && it->has_fine))
		return false;
	*kind = differs != 0
			? (dirty != 0 ? QCOW2BM_PROOF_CHANGED : QCOW2BM_PROOF_LOST)
			: (dirty != 0 ? QCOW2BM_PROOF_SURPLUS : QCOW2BM_PROOF_UNCHANGED);
	return true;
}

static enum qcow2bm_code add_word(struct comparison *it, uint64_t first, uint64_t bits,
				  uint64_t differs, uint64_t unknown, uint64_t dirty,
				  struct qcow2bm_error *err)
{
	enum qcow2bm_proof kind;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (unknown == 0 && is_alike(it, differs, dirty, &kind))
		return q2_proof_add(&it->proof, first, bits, kind, err);
	for (uint64_t i = 0; code == QCOW2BM_OK && i < bits; i++)
		code = add_bit(it, first + i, differs >> i & 1, unknown >> i & 1,
			       dirty >> i & 1, err);
	return code;
}

static enum qcow2bm_code compare_window(struct comparison *it, uint64_t first,
					uint64_t bits, struct qcow2bm_error *err)
{
	struct side dirty = {.words = NULL}, differs, unknown = {.is_uniform = true};
	enum qcow2bm_proof kind;
	enum qcow2bm_code code = q2_union_read(&it->dirty, first, bits, &dirty.is_uniform,
					       &dirty.value, err);
	dirty.words = it->dirty.words;
	if (code == QCOW2BM_OK)
		code = read_found(it, &it->differs, first, bits, it->words, &differs,
				  err);
	if (code == QCOW2BM_OK && it->has_unknown)
		code = read_found(it, &it->unknown, first, bits, it->unknown_words,
				  &unknown, err);
	if (code != QCOW2BM_OK)
		return code;
	if (dirty.is_uniform && differs.is_uniform && unknown.is_uniform &&
	    !unknown.value &&
	    is_alike(it, word_of(&differs, 0), word_of(&dirty, 0), &kind))
		return q2_proof_add(&it->proof, first, bits, kind, err);
	for (uint64_t at = 0; code == QCOW2BM_OK && at < bits; at += 64)
		code = add_word(it, first + at, q2_min_u64(64, bits - at),
				word_of(&differs, (size_t)(at / 64)),
				word_of(&unknown, (size_t)(at / 64)),
				word_of(&dirty, (size_t)(at / 64)), err);
	return code;
}

static enum qcow2bm_code compare_all(struct comparison *it, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	uint64_t end = it->dirty.bits;
	for (uint64_t at = 0; code == QCOW2BM_OK && at < end;
	     at += Q2_UNION_WINDOW_BITS) {
		code = q2_watch_look(it->watch, err);
		if (code == QCOW2BM_OK)
			code = compare_window(
				it, at, q2_min_u64(Q2_UNION_WINDOW_BITS, end - at), err);
	}
	return code == QCOW2BM_OK ? q2_proof_end(&it->proof, err) : code;
}

/* Opens both sides at the coarser of their granularities. */
static enum qcow2bm_code open_both(struct comparison *it, struct qcow2bm_differ *differ,
				   const struct q2_differ_old *old,
				   struct qcow2bm_chain *chain,
				   const struct qcow2bm_since *since,
				   struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = chain->layers[0].image;
	q2_source_open_differs(&it->differs, image, &old->differences);
	it->has_unknown = old->unknown.ones != 0;
	if (it->has_unknown)
		q2_source_open_differs(&it->unknown, image, &old->unknown);
	it->words = malloc(WINDOW_WORDS * sizeof(*it->words));
	it->unknown_words = malloc(WINDOW_WORDS * sizeof(*it->unknown_words));
	it->scratch = malloc(Q2_CONVERT_WORDS * sizeof(*it->scratch));
	if (it->words == NULL || it->unknown_words == NULL || it->scratch == NULL)
		return q2_fail_memory(err, "the bits of several bitmaps");
	size_t first = since->first, count = since->count;
	enum qcow2bm_code code =
		q2_union_open_checkpoints(&it->dirty, chain, first, count, 0, err);
	unsigned own = it->dirty.granularity_bits;
	it->has_fine = old->differences.granularity_bits > own;
	if (code == QCOW2BM_OK && it->has_fine) {
		q2_union_set_granularity(&it->dirty, old->differences.granularity_bits);
		code = q2_union_open_checkpoints(&it->fine, chain, first, count, 0, err);
	}
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	it->proof.granularity_bits = it->dirty.granularity_bits;
	it->proof.virtual_bytes = differ->virtual_bytes;
	it->proof.old_bytes = old->virtual_bytes;
	it->proof.cluster_bytes = cluster_bytes;
	it->proof.bitmap_cluster_bytes = cluster_bytes * 8 << own;
	return code;
}

static void close_both(struct comparison *it)
{
	q2_union_close(&it->dirty);
	q2_union_close(&it->fine);
	q2_source_close(&it->differs);
	if (it->has_unknown)
		q2_source_close(&it->unknown);
	free(it->words);
	free(it->unknown_words);
	free(it->scratch);
}

static void refuse(struct qcow2bm_differ *differ, const char *reason)
{
	snprintf(differ->reason, sizeof(differ->reason), "%s", reason);
	differ->judgement.outcome = QCOW2BM_OUTCOME_NOT_COMPARED;
	differ->judgement.reason = differ->reason;
}

/* A granule of a manifest that is dirty in part may hide a change that is clean. */
static void conclude(struct qcow2bm_differ *differ, const struct q2_proof *proof,
		     const struct q2_differ_old *old)
{
	struct qcow2bm_judgement *judgement = &differ->judgement;
	judgement->granularity_bits = proof->granularity_bits;
	memcpy(judgement->bytes, proof->bytes, sizeof(judgement->bytes));
	judgement->lost_extents = proof->lost_extents;
	judgement->cause = q2_proof_find_cause(proof, old->same_bytes);
	judgement->outcome = QCOW2BM_OUTCOME_RIGHT;
	if (proof->lost_extents != 0)
		judgement->outcome = QCOW2BM_OUTCOME_WRONG;
	else if (old->unknown.ones != 0)
		refuse(differ,
		       "the older state does not tell all: its file was probably cut, or ends "
		       "before the disk does, or the disk ends inside a granule of its "
		       "manifest");
	else if (proof->bytes[QCOW2BM_PROOF_OPEN] != 0)
		refuse(differ,
		       "the manifest is coarser than the bitmap: what differs in its "
		       "granules is dirty in part, and that may be all, or not");
}

static enum qcow2bm_code compare(struct qcow2bm_differ *differ, size_t old_idx,
				 struct qcow2bm_chain *chain,
				 const struct qcow2bm_since *since, struct comparison *it,
				 struct qcow2bm_error *err)
{
	const struct q2_differ_old *old = &differ->olds[old_idx];
	enum qcow2bm_code code = open_both(it, differ, old, chain, since, err);
	if (code == QCOW2BM_OK)
		code = compare_all(it, err);
	if (code == QCOW2BM_OK)
		conclude(differ, &it->proof, old);
	close_both(it);
	return code;
}

enum qcow2bm_code qcow2bm_differ_judge(struct qcow2bm_differ *differ, size_t old_idx,
				       struct qcow2bm_chain *chain, size_t idx,
				       qcow2bm_proof_fn *fn, void *opaque,
				       const struct qcow2bm_judgement **judgement,
				       const struct qcow2bm_watch *caller,
				       struct qcow2bm_error *err)
{
	struct q2_watch watch;
	struct comparison it = {.watch = &watch, .proof = {.fn = fn, .opaque = opaque}};
	const struct qcow2bm_since *since;
	differ->judgement =
		(struct qcow2bm_judgement){.outcome = QCOW2BM_OUTCOME_NOT_COMPARED};
	*judgement = &differ->judgement;
	if (old_idx >= differ->count ||
	    differ->virtual_bytes != chain->layers[0].virtual_bytes)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the disk was not compared with such an older state");
	enum qcow2bm_code code =
		q2_watch_begin(&watch, caller, "nothing was changed", err);
	if (code == QCOW2BM_OK)
		code = q2_verdict_by_bitmaps(chain, idx, &since, err);
	if (code == QCOW2BM_OK && since->verdict != QCOW2BM_VERDICT_INCREMENTAL)
		refuse(differ, since->reason);
	else if (code == QCOW2BM_OK)
		code = compare(differ, old_idx, chain, since, &it, err);
	return code;
}
