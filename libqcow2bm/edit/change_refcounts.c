/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raising and lowering refcounts, block by block. */
#include "change_refcounts.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "../format/refcount.h"

/* The part [first, end) of a run that one block counts: all changed in one write. */
static enum qcow2bm_code change_in_block(struct q2_refcounts *refcounts, uint64_t first,
					 uint64_t end, enum q2_change change,
					 struct qcow2bm_error *err)
{
	uint64_t block_idx = first >> refcounts->block_shift;
	uint64_t base = block_idx << refcounts->block_shift;
	unsigned order = refcounts->image->header.refcount_order;
	bool is_repair = change == Q2_CHANGE_TO_ONE || change == Q2_CHANGE_TO_ZERO;
	uint64_t to = change == Q2_CHANGE_RAISE || change == Q2_CHANGE_TO_ONE;
	uint64_t from = 1 - to;
	if (!q2_refcounts_has_block(refcounts, block_idx))
		return q2_fail(err, QCOW2BM_EIMAGE,
			       base << refcounts->image->header.cluster_bits,
			       "no refcount block counts cluster %llu",
			       (unsigned long long)first);
	enum qcow2bm_code code = q2_refcounts_load_block(refcounts, block_idx, err);
	if (code != QCOW2BM_OK)
		return code;
	for (uint64_t at = first; at < end; at++) {
		uint64_t idx = at - base;
		uint64_t value = q2_refcount_decode(refcounts->block, order, idx);
		if (value != from && !is_repair) {
			refcounts->block_idx = Q2_REFCOUNTS_NO_BLOCK;
			return q2_fail(
				err, QCOW2BM_EIMAGE,
				at << refcounts->image->header.cluster_bits,
				"cluster %llu has the refcount %llu, not %llu" QCOW2BM_SEE_CHECK,
				(unsigned long long)at, (unsigned long long)value,
				(unsigned long long)from);
		}
		q2_refcount_encode(refcounts->block, order, idx, to);
	}
	uint64_t start = ((first - base) << order) / 8;
	uint64_t bytes = q2_shift_up((end - base) << order, 3) - start;
	code = q2_storage_write(refcounts->image->storage, refcounts->block + start,
				(size_t)bytes, refcounts->table[block_idx] + start, err);
	if (code != QCOW2BM_OK)
		refcounts->block_idx = Q2_REFCOUNTS_NO_BLOCK;
	return code;
}

enum qcow2bm_code q2_change_refcounts(struct q2_refcounts *refcounts,
				      const struct q2_clusters *set,
				      enum q2_change change, struct qcow2bm_error *err)
{
	for (size_t r = 0; r < set->count; r++) {
		uint64_t first = set->runs[r].first;
		uint64_t end = first + set->runs[r].count;
		while (first < end) {
			uint64_t block_end = ((first >> refcounts->block_shift) + 1)
					     << refcounts->block_shift;
			uint64_t part_end = q2_min_u64(block_end, end);
			enum qcow2bm_code code =
				change_in_block(refcounts, first, part_end, change, err);
			if (code != QCOW2BM_OK)
				return code;
			first = part_end;
		}
	}
	return QCOW2BM_OK;
}
