/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extents of what is lost, changed or surplus, and the cause that they suggest. */
#include "proof.h"

#include "../base/checked.h"
#include "../base/error.h"

/* The end of the disk, then or now: its last granule, and what lies behind the older one's. */
static bool is_at_end(const struct q2_proof *proof, uint64_t start)
{
	uint64_t granule = (uint64_t)1 << proof->granularity_bits;
	uint64_t last = q2_min_u64(proof->old_bytes, proof->virtual_bytes - 1);
	return start >= (last & ~(granule - 1));
}

static bool is_whole(const struct q2_proof *proof, uint64_t unit, uint64_t start,
		     uint64_t end)
{
	return q2_is_aligned(start, unit) &&
	       (q2_is_aligned(end, unit) || end == proof->virtual_bytes);
}

static enum qcow2bm_code emit(struct q2_proof *proof, struct qcow2bm_error *err)
{
	const struct qcow2bm_proof_extent *extent = &proof->extent;
	uint64_t end = extent->start + extent->length;
	if (extent->length == 0)
		return QCOW2BM_OK;
	proof->bytes[extent->proof] += extent->length;
	if (extent->proof == QCOW2BM_PROOF_LOST) {
		proof->lost_extents++;
		proof->not_clusters |=
			!is_whole(proof, proof->cluster_bytes, extent->start, end);
		proof->not_bitmap_clusters |=
			!is_whole(proof, proof->bitmap_cluster_bytes, extent->start, end);
		proof->not_end |= !is_at_end(proof, extent->start);
	}
	if (proof->fn != NULL && proof->fn(proof->opaque, extent) != 0)
		return q2_fail(err, QCOW2BM_ESTOPPED, QCOW2BM_NO_OFFSET,
			       "stopped by the receiver of the extents");
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_proof_add(struct q2_proof *proof, uint64_t first, uint64_t bits,
			       enum qcow2bm_proof kind, struct qcow2bm_error *err)
{
	uint64_t start = first << proof->granularity_bits;
	uint64_t left = proof->virtual_bytes - start;
	uint64_t length = q2_min_u64(left, bits << proof->granularity_bits);
	enum qcow2bm_code code = QCOW2BM_OK;
	if (kind == proof->extent.proof && proof->extent.length != 0) {
		proof->extent.length += length;
		return code;
	}
	code = emit(proof, err);
	proof->extent = (struct qcow2bm_proof_extent){start, length, kind};
	return code;
}

enum qcow2bm_code q2_proof_end(struct q2_proof *proof, struct qcow2bm_error *err)
{
	return emit(proof, err);
}

/* Nine tenths of all data, and most of that clean: a bitmap that lost bits does not look so. */
static bool is_wrong_base(const struct q2_proof *proof, uint64_t same_bytes)
{
	uint64_t lost = proof->bytes[QCOW2BM_PROOF_LOST];
	uint64_t differs = lost + proof->bytes[QCOW2BM_PROOF_CHANGED] +
			   proof->bytes[QCOW2BM_PROOF_OPEN];
	return differs >> proof->granularity_bits >= 16 && differs / 9 >= same_bytes &&
	       lost >= differs / 2;
}

enum qcow2bm_cause q2_proof_find_cause(const struct q2_proof *proof, uint64_t same_bytes)
{
	uint64_t granule = (uint64_t)1 << proof->granularity_bits;
	if (proof->lost_extents == 0)
		return QCOW2BM_CAUSE_NONE;
	if (is_wrong_base(proof, same_bytes))
		return QCOW2BM_CAUSE_WRONG_BASE;
	if (!proof->not_end)
		return QCOW2BM_CAUSE_RESIZE;
	if (!proof->not_bitmap_clusters)
		return QCOW2BM_CAUSE_BITMAP_CLUSTER;
	/* Where a granule is a cluster or more, all are whole. */
	if (!proof->not_clusters && granule < proof->cluster_bytes)
		return QCOW2BM_CAUSE_FOREIGN_WRITER;
	return QCOW2BM_CAUSE_LOST_BITS;
}
