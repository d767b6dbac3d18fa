/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an undo file has of clusters that the edit did not write to, but let go. */
#ifndef Q2_UNDO_KEPT_H
#define Q2_UNDO_KEPT_H

#include "undo.h"

/*
 * Adds to *altered the sectors that were kept, not written to by the edit, and hold something
 * else now (a mark in it is nothing else). Errors: EINVAL for such a sector of which only the
 * sum was kept; ESYSTEM, ENOMEM, EIMAGE.
 */
enum qcow2bm_code q2_undo_find_altered(const struct q2_undo *undo,
				       struct q2_storage *image, struct q2_spans *altered,
				       struct qcow2bm_error *err);

/* Writes what is altered as it was, with the marks, and adds its bytes to *written. */
enum qcow2bm_code q2_undo_put_back_kept(const struct q2_undo *undo,
					struct q2_storage *image, uint64_t *written,
					struct qcow2bm_error *err);

#endif
