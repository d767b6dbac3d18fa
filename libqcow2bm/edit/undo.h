/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Undoing an edit, and what must be proven for it. */
#ifndef Q2_EDIT_UNDO_H
#define Q2_EDIT_UNDO_H

#include "../image/image.h"
#include "../undo/undo.h"

/* All of qcow2bm_undo_apply() with both files open. */
enum qcow2bm_code q2_undo_run(struct q2_storage *image, struct q2_storage *file,
			      unsigned flags, struct qcow2bm_undo_result *result,
			      struct qcow2bm_error *err);

/* ---- undo_room.c ---- */

/* An undo file, and the image as it was and as it is. */
struct q2_undo_images {
	const struct q2_undo *undo;
	struct qcow2bm_image *before, *now;
	struct q2_spans altered; /* sectors that were kept, and are others now */
};

/*
 * Checks that what the old bitmaps occupied is still theirs, or nobody's: no L1/L2 entry of the
 * disk or a snapshot and no other structure has it, what is free by its refcount will be counted
 * again, and what was altered is free. Errors: EINVAL when it is not so, or the tables that would
 * tell cannot be read; ESYSTEM, ENOMEM.
 */
enum qcow2bm_code q2_undo_check_room(const struct q2_undo_images *images,
				     struct qcow2bm_error *err);

#endif
