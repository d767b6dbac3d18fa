/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The refcounts of an image: reading them, finding free clusters. */
#ifndef Q2_CLUSTERS_REFCOUNTS_H
#define Q2_CLUSTERS_REFCOUNTS_H

#include "../image/image.h"
#include "clusters.h"
#include "faults.h"

struct q2_refcounts {
	struct qcow2bm_image *image;
	uint64_t *
		table; /* offsets of refcount blocks; 0: all refcounts of the block are 0 */
	uint64_t table_entries;
	unsigned block_shift; /* log2 of how many clusters a block counts */
	uint8_t *block;       /* the block that is loaded */
	uint64_t block_idx;   /* its index, or Q2_REFCOUNTS_NO_BLOCK */
};

/* Loads the refcount table. Errors: EIMAGE, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_refcounts_open(struct q2_refcounts *refcounts,
				    struct qcow2bm_image *image,
				    struct qcow2bm_error *err);

/* The same for any image: where the table names no place where a block can be, or is not there,
 * nothing is counted, and the faults are told (NULL: to nobody). Not for an edit. Errors: ESYSTEM,
 * ENOMEM. */
enum qcow2bm_code q2_refcounts_open_damaged(struct q2_refcounts *refcounts,
					    struct qcow2bm_image *image,
					    const struct q2_faults *faults,
					    struct qcow2bm_error *err);
void q2_refcounts_close(struct q2_refcounts *refcounts);

/* Whether a refcount block exists that counts this cluster. */
bool q2_refcounts_covers(const struct q2_refcounts *refcounts, uint64_t cluster);

/* How many blocks, from this one on and at most so many, lie side by side in the file; 0 where there
 * is none. */
uint64_t q2_refcounts_adjacent(const struct q2_refcounts *refcounts, uint64_t block_idx,
			       uint64_t most);

/* Reads blocks that lie side by side into `buf`. Errors: EIMAGE, ESYSTEM. */
enum qcow2bm_code q2_refcounts_load_blocks(const struct q2_refcounts *refcounts,
					   uint64_t block_idx, uint64_t count,
					   uint8_t *buf, struct qcow2bm_error *err);

/* The refcount of one cluster; 0 where no block counts it. Errors: EIMAGE, ESYSTEM. */
enum qcow2bm_code q2_refcounts_read(struct q2_refcounts *refcounts, uint64_t cluster,
				    uint64_t *value, struct qcow2bm_error *err);

/* How many of the first `clusters` clusters have a refcount that is not 0, as far as it is less than `most`:
 * *used is `most` where there are so many. A block that the table names many times is read once, and
 * none in a hole of the file. Errors: EIMAGE, ESYSTEM, ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_refcounts_count_used(struct q2_refcounts *refcounts,
					  uint64_t clusters, uint64_t most,
					  uint64_t *used, struct q2_watch *watch,
					  struct qcow2bm_error *err);

/* Appends the free clusters of [first, end) to `free_clusters`, those that no block counts
 * included. Reads at most about `budget_bytes` of refcount blocks; *stopped is where it ended. */
enum qcow2bm_code q2_refcounts_find_free(struct q2_refcounts *refcounts, uint64_t first,
					 uint64_t end, uint64_t budget_bytes,
					 struct q2_clusters *free_clusters,
					 uint64_t *stopped, struct qcow2bm_error *err);

/* Removes from the sorted `set` the clusters whose refcount is not exactly 1. */
enum qcow2bm_code q2_refcounts_keep_ones(struct q2_refcounts *refcounts,
					 struct q2_clusters *set,
					 struct qcow2bm_error *err);

/* For who changes refcounts: whether there is a block of this index, and loading it. After a change
 * that is not on disk, block_idx becomes Q2_REFCOUNTS_NO_BLOCK. Errors: EIMAGE, ESYSTEM. */
#define Q2_REFCOUNTS_NO_BLOCK UINT64_MAX
bool q2_refcounts_has_block(const struct q2_refcounts *refcounts, uint64_t block_idx);
enum qcow2bm_code q2_refcounts_load_block(struct q2_refcounts *refcounts,
					  uint64_t block_idx, struct qcow2bm_error *err);

#endif
