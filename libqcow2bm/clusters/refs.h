/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who references what: the clusters of an image that are not a bitmap's to give or take. */
#ifndef Q2_CLUSTERS_REFS_H
#define Q2_CLUSTERS_REFS_H

#include "../base/watch.h"
#include "../image/image.h"
#include "clusters.h"
#include "refcounts.h"

struct q2_refs {
	/* Header, refcount table and blocks, L1 and L2 tables of the disk and its snapshots,
	 * snapshot table, encryption header. */
	struct q2_clusters metadata;
	struct q2_clusters l2_tables;
	struct q2_clusters twice; /* those that two of these structures occupy */
};

/* Reads the L1 tables, not the L2 tables. Errors: EIMAGE when one of these structures lies
 * past the end of the file, or L1 tables overlap: then nothing can be told free. ESYSTEM,
 * ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_refs_load(struct q2_refs *refs, struct qcow2bm_image *image,
			       const struct q2_refcounts *refcounts,
			       struct q2_watch *watch, struct qcow2bm_error *err);
void q2_refs_free(struct q2_refs *refs);

/* Adds to `set` the clusters of the table of a committed bitmap and of its data. */
enum qcow2bm_code q2_refs_add_bitmap(struct q2_clusters *set, struct qcow2bm_image *image,
				     const struct q2_bitmap *bitmap,
				     const uint64_t *table, struct qcow2bm_error *err);

/* Adds to `set` the clusters that the byte range [off, off+bytes) touches. */
enum qcow2bm_code q2_refs_add_bytes(struct q2_clusters *set,
				    const struct qcow2bm_image *image, uint64_t off,
				    uint64_t bytes, struct qcow2bm_error *err);

/* Adds to `named` each cluster of `wanted` that the table or the data of `bitmap` names.
 * Errors: as q2_tables_load(). */
enum qcow2bm_code q2_refs_find_in_bitmap(struct qcow2bm_image *image,
					 const struct q2_bitmap *bitmap,
					 const struct q2_clusters *wanted,
					 struct q2_clusters *named,
					 struct qcow2bm_error *err);

/* Adds to `named` what a bitmap that cannot be read may occupy, as far as its table tells.
 * Lowers *cut_off to the first byte past the end of the file that it would need there.
 * Errors: ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_refs_survey_bitmap(struct qcow2bm_image *image,
					const struct q2_bitmap *bitmap,
					struct q2_clusters *named, uint64_t *cut_off,
					struct qcow2bm_error *err);

/* Adds to `named` each cluster of `wanted` that an L2 entry of the disk or of a snapshot names:
 * reads every L2 table once, in the order of their places, several at a time. Errors: EIMAGE,
 * ESYSTEM, ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_search_find(struct qcow2bm_image *image,
				 const struct q2_clusters *l2_tables,
				 const struct q2_clusters *wanted,
				 struct q2_clusters *named, struct q2_watch *watch,
				 struct qcow2bm_error *err);

#endif
