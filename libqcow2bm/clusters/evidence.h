/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What shows that a program wrote to the image which knows no bitmaps: it counts refcounts from the
 * guest's tables alone, and makes the disk larger or smaller. What it wrote is in no bitmap. The rule
 * is told here for all: those who judge bitmaps on their way (soundness.h), and the check.
 */
#ifndef Q2_CLUSTERS_EVIDENCE_H
#define Q2_CLUSTERS_EVIDENCE_H

#include "../image/image.h"

/* Whether the bitmap's table would be right for a disk of another size. */
bool q2_evidence_has_other_size(const struct qcow2bm_image *image,
				const struct q2_bitmap *bitmap);

/* Whether clusters that are counted as free speak against all when they are this bitmap's, or, for
 * NULL, the directory's. */
bool q2_evidence_counts_free(const struct qcow2bm_image *image,
			     const struct q2_bitmap *bitmap);

/*
 * Notes the first evidence in the directory (directory.evidence), and as the problem of every bitmap
 * that has none yet. is_directory_free, and is_evidence of each bitmap: whether clusters of it are
 * counted as free; afterwards is_evidence is whether the bitmap or the directory shows such a program.
 * Errors: ENOMEM.
 */
enum qcow2bm_code q2_evidence_judge(struct qcow2bm_image *image, bool is_directory_free,
				    struct qcow2bm_error *err);

#endif
