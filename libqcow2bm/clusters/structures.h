/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image's own structures: where they are, and which clusters they occupy. */
#ifndef Q2_CLUSTERS_STRUCTURES_H
#define Q2_CLUSTERS_STRUCTURES_H

#include "../base/watch.h"
#include "../image/image.h"
#include "clusters.h"
#include "faults.h"
#include "l1.h"
#include "refcounts.h"

/* A place that a structure is said to have, in the file or past its end. */
struct q2_structure {
	const char *what; /* for a sentence: "an L1 table" */
	uint64_t off, bytes;
	unsigned times; /* of the disk and its snapshots, how many have it */
};
typedef enum qcow2bm_code q2_structure_fn(void *opaque,
					  const struct q2_structure *structure,
					  struct qcow2bm_error *err);

/* Calls fn for the header, the refcount table and its blocks, the snapshot table where it is loaded,
 * the encryption header, and the L1 tables of the list. Errors: EIMAGE, those of fn. */
enum qcow2bm_code q2_structures_each(const struct qcow2bm_image *image,
				     const struct q2_refcounts *refcounts,
				     const struct q2_l1_list *l1,
				     const struct q2_faults *faults, q2_structure_fn *fn,
				     void *opaque, struct qcow2bm_error *err);

/* The clusters that are not a bitmap's to give or take. */
struct q2_structures {
	/* Header, refcount table and blocks, L1 and L2 tables of the disk and its snapshots,
	 * snapshot table, encryption header. */
	struct q2_clusters metadata;
	struct q2_clusters l2_tables;
	struct q2_clusters twice; /* those that two of these structures occupy */
};

/* Reads the L1 tables, not the L2 tables. Errors: EIMAGE when one of these structures lies
 * past the end of the file, or L1 tables overlap: then nothing can be told free. ESYSTEM,
 * ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_structures_load(struct q2_structures *structures,
				     struct qcow2bm_image *image,
				     const struct q2_refcounts *refcounts,
				     struct q2_watch *watch, struct qcow2bm_error *err);
void q2_structures_free(struct q2_structures *structures);

typedef enum qcow2bm_code q2_structures_fn(void *opaque, uint64_t first,
					   uint64_t clusters, struct qcow2bm_error *err);

/*
 * Of an image that may be damaged: calls fn, as far as they are inside the file, for the clusters
 * of all structures and of the disk's L2 tables. What is damaged is left out. Reads the disk's L1
 * table and the snapshot table, no L2 table and no L1 table of a snapshot. Errors: ESYSTEM, ENOMEM
 * and those of fn.
 */
enum qcow2bm_code q2_structures_visit(struct qcow2bm_image *image,
				      const struct q2_refcounts *refcounts,
				      q2_structures_fn *fn, void *opaque,
				      struct qcow2bm_error *err);

#endif
