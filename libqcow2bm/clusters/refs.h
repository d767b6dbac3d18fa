/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which clusters a bitmap refers to. */
#ifndef Q2_CLUSTERS_REFS_H
#define Q2_CLUSTERS_REFS_H

#include "../image/image.h"
#include "clusters.h"

/* Adds to `set` the clusters of the table of a committed bitmap and of its data, or, of one that
 * cannot be read, nothing. Errors: as q2_tables_load(). */
enum qcow2bm_code q2_refs_add_bitmap(struct q2_clusters *set,
				     const struct qcow2bm_image *image,
				     const struct q2_bitmap *bitmap,
				     struct qcow2bm_error *err);

/* Adds to `set` the clusters that the byte range [off, off+bytes) touches. */
enum qcow2bm_code q2_refs_add_bytes(struct q2_clusters *set,
				    const struct qcow2bm_image *image, uint64_t off,
				    uint64_t bytes, struct qcow2bm_error *err);

/* Adds to `named` each cluster of `wanted` that the table or the data of `bitmap` names.
 * Errors: as q2_tables_load(). */
enum qcow2bm_code q2_refs_find_in_bitmap(const struct qcow2bm_image *image,
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

#endif
