/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image as it would be with all that an undo file has of it put back. */
#ifndef Q2_UNDO_VIEW_H
#define Q2_UNDO_VIEW_H

#include "undo.h"

/* A storage to read from, which owns neither the undo file nor `image`. Without an undo file
 * (NULL) it shows the image as it is. Errors: ENOMEM. */
enum qcow2bm_code q2_undo_view_open(struct q2_storage **view, const struct q2_undo *undo,
				    struct q2_storage *image, struct qcow2bm_error *err);

#endif
