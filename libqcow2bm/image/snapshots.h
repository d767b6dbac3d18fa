/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of internal snapshots. */
#ifndef Q2_IMAGE_SNAPSHOTS_H
#define Q2_IMAGE_SNAPSHOTS_H

#include "../format/snapshot.h"
#include "image.h"

/* Loads the snapshot table when it is not loaded yet. */
enum qcow2bm_code q2_snapshots_load(struct qcow2bm_image *image,
				    struct qcow2bm_error *err);

/* Calls fn for the L1 table of each internal snapshot. */
enum qcow2bm_code q2_snapshots_each_l1(struct qcow2bm_image *image,
				       enum qcow2bm_code (*fn)(void *opaque, uint64_t off,
							       uint32_t entries,
							       struct qcow2bm_error *err),
				       void *opaque, struct qcow2bm_error *err);

/* Finds the snapshot of this ID or, where none has it, of this name. *snapshot lives as long as the
 * image. Errors: ENOTFOUND; EIMAGE, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_snapshots_find(struct qcow2bm_image *image, const char *id_or_name,
				    struct q2_snapshot *snapshot,
				    struct qcow2bm_error *err);

#endif
