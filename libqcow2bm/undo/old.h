/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The old bytes of a record, from the undo file. */
#ifndef Q2_UNDO_OLD_H
#define Q2_UNDO_OLD_H

#include "undo.h"

/* The old bytes of an entry that has them, up to the end of its range. Errors: ESYSTEM. */
enum qcow2bm_code q2_undo_read_old(const struct q2_undo *undo,
				   const struct q2_undo_entry *entry, uint8_t *buf,
				   struct qcow2bm_error *err);

/* Sets the marks in bytes of the image from `off` on. Returns whether there is any. */
bool q2_undo_mark(const struct q2_undo *undo, uint8_t *buf, size_t bytes, uint64_t off);

#endif
