/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an image's own structures are, as far as that can be told. */
#ifndef Q2_CLUSTERS_STRUCTURES_H
#define Q2_CLUSTERS_STRUCTURES_H

#include "../image/image.h"
#include "refcounts.h"

typedef enum qcow2bm_code q2_structures_fn(void *opaque, uint64_t first,
					   uint64_t clusters, struct qcow2bm_error *err);

/*
 * Calls fn for the clusters of the header, the refcount table and blocks, the L1 tables of the
 * disk and of its snapshots, the disk's L2 tables, the snapshot table and the encryption header.
 * What is damaged is left out. Reads the disk's L1 table and the snapshot table, no L2 table and
 * no L1 table of a snapshot. Errors: ESYSTEM, ENOMEM and those of fn.
 */
enum qcow2bm_code q2_structures_visit(struct qcow2bm_image *image,
				      const struct q2_refcounts *refcounts,
				      q2_structures_fn *fn, void *opaque,
				      struct qcow2bm_error *err);

#endif
