/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making a new overlay, which holds nothing yet. */
#ifndef Q2_EDIT_OVERLAY_H
#define Q2_EDIT_OVERLAY_H

#include "../qcow2bm.h"

/* Writes a new file, which only its owner can read, and syncs it; nothing is written over. After a
 * failure there is none. Errors: as q2_overlay_encode(); EEXIST; ESYSTEM; ENOMEM. */
enum qcow2bm_code q2_overlay_create(const char *path, uint64_t virtual_bytes,
				    const char *backing_name, struct qcow2bm_error *err);

#endif
