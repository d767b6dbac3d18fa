/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The refcounts that are stored, compared with the references that were counted. */
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../clusters/l2.h"
#include "../format/refcount.h"
#include "references.h"

#define CHUNK 512 /* refcounts that are compared at once */

/* Sets of clusters are kept for repair; past so many runs they are only counted. */
#define MAX_RUNS ((size_t)1 << 20)

enum qcow2bm_code q2_stored_load(struct q2_walk *walk, struct qcow2bm_error *err)
{
	const struct q2_faults faults = q2_references_faults(walk);
	return q2_refcounts_open_damaged(&walk->refcounts, walk->image, &faults, err);
}

bool q2_stored_has_window(const struct q2_walk *walk, uint64_t first)
{
	uint64_t end = first + ((uint64_t)1 << walk->window_shift);
	const struct q2_refcounts *refcounts = &walk->refcounts;
	for (uint64_t i = first >> refcounts->block_shift;
	     i < refcounts->table_entries && i << refcounts->block_shift < end; i++)
		if (q2_refcounts_has_block(refcounts, i))
			return true;
	return false;
}

void q2_stored_keep(struct q2_walk *walk, struct q2_clusters *set, uint64_t cluster)
{
	struct qcow2bm_report *report = walk->report;
	if (set->count >= MAX_RUNS)
		report->is_partial = true;
	else if (q2_clusters_add(set, cluster, 1, NULL) != QCOW2BM_OK)
		report->has_lost_findings = true;
}

static void note_high(struct q2_walk *walk, uint64_t cluster, unsigned counted)
{
	struct qcow2bm_report *report = walk->report;
	uint16_t *count = &walk->counts[cluster - walk->first];
	report->totals.leaked_clusters++;
	if (counted == 0) {
		q2_tally_add(&walk->leaked, cluster << walk->cluster_bits);
		q2_stored_keep(walk, &report->leaked, cluster);
	} else if (*count == Q2_REFERENCES_ONE_BITMAP) {
		q2_stored_keep(walk, &report->high, cluster);
		*count = Q2_REFERENCES_MARK_HIGH;
		walk->has_marks = true;
	} else if (*count < Q2_REFERENCES_ONE_BITMAP) {
		q2_tally_add(q2_references_guest(walk, Q2_PROBLEM_GUEST_REFCOUNT_HIGH),
			     cluster << walk->cluster_bits);
	}
}

static void note_low(struct q2_walk *walk, uint64_t cluster)
{
	struct qcow2bm_report *report = walk->report;
	uint16_t *count = &walk->counts[cluster - walk->first];
	report->totals.corruptions++;
	if (*count == Q2_REFERENCES_ONE_BITMAP) {
		q2_stored_keep(walk, &report->low, cluster);
		*count = Q2_REFERENCES_MARK_LOW;
		walk->has_marks = true;
	} else if (*count < Q2_REFERENCES_ONE_BITMAP) {
		q2_tally_add(q2_references_guest(walk, Q2_PROBLEM_GUEST_REFCOUNT_LOW),
			     cluster << walk->cluster_bits);
	}
}

static void look_closely(struct q2_walk *walk, uint64_t cluster, uint16_t stored)
{
	uint16_t *count = &walk->counts[cluster - walk->first];
	unsigned others = *count & Q2_REFERENCES_OTHERS;
	unsigned bitmaps = *count / Q2_REFERENCES_ONE_BITMAP;
	unsigned counted = others + bitmaps;
	bool is_full = others == Q2_REFERENCES_OTHERS ||
		       bitmaps == UINT16_MAX / Q2_REFERENCES_ONE_BITMAP;
	if (*count > Q2_REFERENCES_ONE_BITMAP)
		walk->has_marks = true;
	/* What the bitmap has no right to: is the refcount right for the others? */
	if (bitmaps != 0 && others != 0 && others != Q2_REFERENCES_OTHERS &&
	    stored != others)
		q2_tally_add(q2_references_guest(
				     walk, stored < others
						   ? Q2_PROBLEM_GUEST_REFCOUNT_LOW
						   : Q2_PROBLEM_GUEST_REFCOUNT_HIGH),
			     cluster << walk->cluster_bits);
	if (stored > counted && !is_full)
		note_high(walk, cluster, counted);
	else if (stored < counted)
		note_low(walk, cluster);
	if (bitmaps == 0)
		*count = stored < Q2_REFERENCES_OTHERS ? stored : Q2_REFERENCES_OTHERS;
}

static void decode(uint16_t *stored, const uint8_t *block, unsigned order, uint64_t idx,
		   size_t count)
{
	if (block == NULL) {
		memset(stored, 0, count * sizeof(*stored));
	} else if (order == 4) {
		for (size_t i = 0; i < count; i++)
			stored[i] = q2_be16_load(block + (idx + i) * 2);
	} else {
		for (size_t i = 0; i < count; i++)
			stored[i] = (uint16_t)q2_min_u64(
				q2_refcount_decode(block, order, idx + i), UINT16_MAX);
	}
}

/* The whole chunk at once, so that a sound image costs one look at many clusters. */
static bool is_sound(const uint16_t *counts, const uint16_t *stored, size_t count,
		     bool *is_used)
{
	unsigned bad = 0, used = 0;
	for (size_t i = 0; i < count; i++) {
		uint16_t value = counts[i];
		uint16_t counted =
			(uint16_t)((value & Q2_REFERENCES_OTHERS) + (value >> 14));
		bad |= (uint16_t)(counted ^ stored[i]);
		bad |= value > Q2_REFERENCES_ONE_BITMAP;
		used |= value | stored[i];
	}
	*is_used = used != 0;
	return bad == 0;
}

/* `block` is NULL where there is none; idx is the first refcount in it that counts. */
static void compare(struct q2_walk *walk, uint64_t first, uint64_t count,
		    const uint8_t *block, uint64_t idx)
{
	unsigned order = walk->image->header.refcount_order;
	uint16_t stored[CHUNK];
	for (uint64_t at = 0; at < count; at += CHUNK) {
		size_t n = (size_t)q2_min_u64(CHUNK, count - at);
		uint16_t *counts = walk->counts + (first + at - walk->first);
		decode(stored, block, order, idx + at, n);
		bool is_used;
		bool sound = is_sound(counts, stored, n, &is_used);
		for (size_t i = n; is_used && i-- > 0;)
			if (counts[i] != 0 || stored[i] != 0) {
				walk->last_used = first + at + i;
				break;
			}
		for (size_t i = 0; !sound && i < n; i++)
			look_closely(walk, first + at + i, stored[i]);
	}
}

/* Nothing else may be where a refcount block is, whatever its own refcount says. */
void q2_stored_check_blocks(struct q2_walk *walk)
{
	for (uint64_t i = 0; i < walk->refcounts.table_entries; i++) {
		uint64_t off = walk->refcounts.table[i];
		uint64_t at = (off >> walk->cluster_bits) - walk->first;
		if (off == 0 || at >= walk->window_clusters || walk->counts[at] == 1)
			continue;
		if (walk->counts[at] < Q2_REFERENCES_ONE_BITMAP)
			q2_tally_add(q2_references_guest(walk,
							 Q2_PROBLEM_GUEST_REFCOUNT_TABLE),
				     off);
		else
			walk->report->totals.corruptions++;
	}
}

enum qcow2bm_code q2_stored_compare(struct q2_walk *walk, struct qcow2bm_error *err)
{
	const struct q2_refcounts *refcounts = &walk->refcounts;
	unsigned shift = refcounts->block_shift;
	uint64_t end = walk->first + walk->window_clusters, first = walk->first;
	while (first < end) {
		uint64_t i = first >> shift, most = Q2_REFERENCES_READ_BYTES;
		most = q2_min_u64(most >> walk->cluster_bits,
				  q2_shift_up(end, shift) - i);
		uint64_t n = q2_refcounts_adjacent(refcounts, i, most);
		enum qcow2bm_code code =
			n == 0 ? QCOW2BM_OK : q2_references_ask(walk, err);
		if (code == QCOW2BM_OK && n != 0)
			code = q2_refcounts_load_blocks(refcounts, i, n, walk->buf, err);
		if (code != QCOW2BM_OK)
			return code;
		uint64_t part_end = q2_min_u64((i + q2_max_u64(n, 1)) << shift, end);
		compare(walk, first, part_end - first, n == 0 ? NULL : walk->buf,
			first - (i << shift));
		walk->done_bytes += n << walk->cluster_bits;
		first = part_end;
	}
	return QCOW2BM_OK;
}

/* Those that one block counts. */
static enum qcow2bm_code find_in_block(struct q2_walk *walk, uint64_t block,
				       struct qcow2bm_error *err)
{
	unsigned order = walk->image->header.refcount_order;
	uint64_t base = block << walk->refcounts.block_shift;
	uint64_t end = q2_min_u64((uint64_t)1 << walk->refcounts.block_shift,
				  q2_mapping_cluster_limit(walk->cluster_bits) - base);
	uint64_t at = walk->clusters > base ? walk->clusters - base : 0;
	enum qcow2bm_code code = q2_references_ask(walk, err);
	if (code == QCOW2BM_OK)
		code = q2_refcounts_load_blocks(&walk->refcounts, block, 1, walk->buf,
						err);
	while (code == QCOW2BM_OK && at < end) {
		at = q2_refcount_find_nonzero(walk->buf, order, at, end);
		uint64_t none = q2_refcount_find_zero(walk->buf, order, at, end);
		code = q2_clusters_add(&walk->report->counted_past_end, base + at,
				       none - at, err);
		at = none;
	}
	return code;
}

enum qcow2bm_code q2_stored_find_behind(struct q2_walk *walk, struct qcow2bm_error *err)
{
	uint64_t limit = q2_mapping_cluster_limit(walk->cluster_bits);
	struct q2_clusters *behind = &walk->report->counted_past_end;
	enum qcow2bm_code code = QCOW2BM_OK;
	/* Of a sound image the blocks are apart, so that they are no more than the file has
	 * clusters. */
	if (!walk->report->guest_is_sound)
		return QCOW2BM_OK;
	for (uint64_t i = walk->clusters >> walk->refcounts.block_shift;
	     code == QCOW2BM_OK && i < walk->refcounts.table_entries &&
	     i << walk->refcounts.block_shift < limit && behind->count < MAX_RUNS;
	     i++)
		if (q2_refcounts_has_block(&walk->refcounts, i))
			code = find_in_block(walk, i, err);
	return code == QCOW2BM_OK ? q2_clusters_sort(behind, NULL, err) : code;
}
