/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is dirty and what differs, as extents of a disk, and what they show about who did that. */
#ifndef Q2_CHAIN_PROOF_H
#define Q2_CHAIN_PROOF_H

#include "../qcow2bm.h"

/* The extent that grows, and what all that are lost have in common. */
struct q2_proof {
	qcow2bm_proof_fn *fn; /* or NULL */
	void *opaque;
	unsigned granularity_bits;
	uint64_t virtual_bytes, old_bytes;
	uint64_t cluster_bytes; /* of the top layer */
	uint64_t
		bitmap_cluster_bytes; /* of the disk, for a cluster of its bitmap's bits */
	struct qcow2bm_proof_extent extent;
	uint64_t bytes[5];
	uint64_t lost_extents;
	bool not_clusters, not_bitmap_clusters, not_end; /* some lost extent is no such */
};

/* The bits [first, first+bits), behind all before, are all of this kind. Errors: ESTOPPED. */
enum qcow2bm_code q2_proof_add(struct q2_proof *proof, uint64_t first, uint64_t bits,
			       enum qcow2bm_proof kind, struct qcow2bm_error *err);

/* After the last of them. Errors: ESTOPPED. */
enum qcow2bm_code q2_proof_end(struct q2_proof *proof, struct qcow2bm_error *err);

/* What probably made it wrong. same_bytes: of data that did not change. */
enum qcow2bm_cause q2_proof_find_cause(const struct q2_proof *proof, uint64_t same_bytes);

#endif
