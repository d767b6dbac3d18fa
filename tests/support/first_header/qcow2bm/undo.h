/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Undoing what an edit did. Included by qcow2bm.h. */
#ifndef QCOW2BM_UNDO_H
#define QCOW2BM_UNDO_H

#include "image.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * From now on, whatever a commit changes in `image`, which is open for writing, is noted
 * in the new file `path` before it is changed; qcow2bm_undo_apply() puts it back. Nothing
 * is written over: the file must not be there yet. Called before qcow2bm_edit_commit(),
 * it ends with qcow2bm_undo_end(). Holes are not punched meanwhile.
 *
 * Errors: EINVAL for an image that is not open for writing or has an undo file; ESYSTEM
 * (EEXIST, ENOSPC and others), ENOMEM: no file is left behind. When the undo file cannot
 * be written later, the commit fails before it changes what was not noted.
 * Crash: the image is as it was; the new file may be there.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_undo_begin(struct qcow2bm_image *image,
							const char *path,
							struct qcow2bm_error *err);

/*
 * Completes the undo file with what the image holds now; an undo file without a change is
 * removed. qcow2bm_image_close() without it leaves the undo file of an edit that was
 * interrupted.
 *
 * Errors: EINVAL when the image has no undo file; ESYSTEM, ENOMEM: the undo file is one
 * of an edit that was interrupted.
 * Crash: the image is not changed.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_undo_end(struct qcow2bm_image *image,
						      struct qcow2bm_error *err);

enum {
	QCOW2BM_UNDO_DRY_RUN = 1u << 0, /* look, write nothing */
	QCOW2BM_UNDO_NO_LOCK = 1u << 1, /* take no locks: the caller vouches for it */
	/* After an interrupted edit, and only then: also when a sector is neither as
	 * it was nor as it was to become. */
	QCOW2BM_UNDO_FORCE = 1u << 2,
	/* Put the bitmaps back marked as in use: nobody trusts them. For an image that
	 * the guest may have written to since. */
	QCOW2BM_UNDO_IN_USE = 1u << 3
};

struct qcow2bm_undo_result {
	bool nothing;            /* the image was as before the edit already */
	bool was_interrupted;    /* the edit never ended */
	bool forced;             /* only QCOW2BM_UNDO_FORCE made it go on */
	uint64_t restored_bytes; /* written */
	uint64_t file_bytes;     /* length of the image before the edit */
	unsigned syncs;
	bool proven; /* nothing has written to the file since the edit ended */
	uint64_t marked_bitmaps; /* put back marked as in use */
};

/* Told what an undoing did; the result lives until the function returns. */
typedef void qcow2bm_undo_fn(void *opaque, const struct qcow2bm_undo_result *result);

/*
 * Puts back, byte for byte, what the image file held before the edit that `undo_filename`
 * was written for, its length included. It is looked at first: nothing but the edit, or
 * an undoing that was interrupted, must have changed what the edit changed. A guest that
 * wrote elsewhere leaves no trace there: unless the file's times prove that nothing has
 * written since the edit ended, bitmaps that the image does not have now come back only
 * with QCOW2BM_UNDO_IN_USE, and only where what they occupied is still theirs or
 * nobody's. Doing it twice does nothing the second time but a sync. Calls `fn`, which may
 * be NULL, with what was done, once it is.
 *
 * Errors: EINVAL when something else has written since, or may have and
 * QCOW2BM_UNDO_IN_USE is not given, or for an undo file of another image; EIMAGE, ELIMIT,
 * EUNSUPPORTED for an undo file that is damaged or none; ENOMEM, ESYSTEM, EBUSY: nothing
 * was changed. EUNKNOWN: a write failed on the way back; do it again.
 * Crash: a state that a power cut could have left of the edit itself; do it again.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_undo_apply(const char *filename, const char *undo_filename, unsigned flags,
		   unsigned wait_seconds, qcow2bm_undo_fn *fn, void *opaque,
		   const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

#ifdef __cplusplus
}
#endif

#endif
