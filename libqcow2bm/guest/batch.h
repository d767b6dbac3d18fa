/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A batch of ranges of two disks that one thread reads and compares. */
#ifndef Q2_GUEST_BATCH_H
#define Q2_GUEST_BATCH_H

#include "parts.h"

#define Q2_BATCH_PAIRS 256
#define Q2_BATCH_BYTES (1u << 20)  /* of ranges; the last may be a cluster more */
#define Q2_BATCH_PART (128u << 10) /* read at once: both sides stay in the cache */
#define Q2_BATCH_SECTOR 512u       /* what is the same or differs */
#define Q2_BATCH_WORDS \
	((Q2_BATCH_BYTES + (1u << Q2_HEADER_MAX_CLUSTER_BITS)) / Q2_BATCH_SECTOR / 64)

/* One range: what either disk has there; side 1 may be known zeros, side 0, too, not both. */
struct q2_batch_pair {
	struct q2_guest_extent side[2];
};

struct q2_batch {
	struct qcow2bm_disk *disks[2];
	struct q2_batch_pair pairs[Q2_BATCH_PAIRS];
	size_t count;
	uint64_t bytes; /* of all ranges */
	/* What came out: a bit for each sector of the ranges, side by side, that differs. */
	uint64_t differs[Q2_BATCH_WORDS];
	size_t done; /* pairs that were compared: all, unless reading failed */
	int failed;  /* ... of this disk */
	struct qcow2bm_error err;
};

/* What one thread needs for it. All zero: nothing yet. */
struct q2_batch_worker {
	struct q2_guest_fetcher fetchers[2];
	uint8_t *bufs[2];
	size_t room;
};

void q2_batch_run(struct q2_batch *batch, struct q2_batch_worker *worker);
void q2_batch_worker_free(struct q2_batch_worker *worker);

/* The most memory that a worker of these disks can need. */
uint64_t q2_batch_worker_bytes(struct qcow2bm_disk *const disks[2]);

#endif
