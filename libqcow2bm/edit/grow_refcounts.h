/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Step 1 of a commit: refcount blocks, and a longer refcount table, for the new clusters. */
#ifndef Q2_EDIT_GROW_REFCOUNTS_H
#define Q2_EDIT_GROW_REFCOUNTS_H

#include "../clusters/refcounts.h"
#include "alloc.h"

struct q2_new_block {
	uint64_t block_idx; /* index in the refcount table */
	uint64_t cluster;   /* where the block is written */
};

/* All zero: nothing must grow. */
struct q2_growth {
	struct q2_new_block *blocks;
	size_t block_count;
	uint64_t table_first; /* the new refcount table's first cluster; 0: it stays */
	uint64_t table_clusters;
	uint64_t table_entries;
	bool may_be_seen; /* the write that makes it part of the image was tried */
};

/* Decides what must be added so that every cluster that `alloc` has handed out is counted, and
 * takes the clusters for it. Errors: ELIMIT over QEMU's limit; ESYSTEM ENOSPC; ENOMEM. */
enum qcow2bm_code q2_grow_refcounts_plan(struct q2_growth *growth,
					 const struct q2_refcounts *refcounts,
					 struct q2_alloc *alloc,
					 struct qcow2bm_error *err);

/* How many clusters the new structures take. */
uint64_t q2_grow_refcounts_clusters(const struct q2_growth *growth);

/* Adds to `structures` the clusters of the new structures; sorted. Errors: ENOMEM. */
enum qcow2bm_code q2_grow_refcounts_collect(const struct q2_growth *growth,
					    struct q2_clusters *structures,
					    struct qcow2bm_error *err);

/*
 * Writes the new structures elsewhere, syncs, makes them part of the image with one write, and
 * syncs. Errors: EIMAGE, ESYSTEM, ENOMEM. Crash: the old refcount structures or the new ones,
 * both right; at most the new clusters are leaked. *syncs is raised by the syncs done.
 */
enum qcow2bm_code q2_grow_refcounts_commit(struct q2_growth *growth,
					   struct q2_refcounts *refcounts,
					   unsigned *syncs, struct qcow2bm_error *err);

void q2_grow_refcounts_free(struct q2_growth *growth);

#endif
