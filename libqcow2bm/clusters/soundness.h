/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One judgement of an image's bitmaps for all who list, read or edit them, the same as that of a
 * check as far as tables, refcounts and the places of structures tell: entries, places, what the
 * clusters of table and data are counted as, and who else has them. L2 tables and the L1 tables of
 * snapshots are not read for it, so that guest data in a bitmap's clusters is for the check to see.
 */
#ifndef Q2_CLUSTERS_SOUNDNESS_H
#define Q2_CLUSTERS_SOUNDNESS_H

#include "../image/image.h"

/*
 * Judges all bitmaps once, until the image is edited: each that is damaged has its problem noted
 * in the directory, and all have one where the image shows that a program wrote to it which knows
 * no bitmaps (directory.evidence). Reads each table once. Errors: ESYSTEM, ENOMEM.
 */
enum qcow2bm_code q2_soundness_judge(struct qcow2bm_image *image,
				     struct qcow2bm_error *err);

/* The same, and the bits of bitmap idx behind the end of the disk. */
enum qcow2bm_code q2_soundness_judge_bits(struct qcow2bm_image *image, size_t idx,
					  struct qcow2bm_error *err);

/* Judges bitmap idx for one who reads it, its bits too where they `are_read`, and lets the corrupt
 * pass only with QCOW2BM_READ_UNTRUSTED. Errors: EINVAL for an index out of range; EIMAGE,
 * ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_soundness_admit(struct qcow2bm_image *image, size_t idx,
				     unsigned flags, bool are_read,
				     struct qcow2bm_error *err);

#endif
