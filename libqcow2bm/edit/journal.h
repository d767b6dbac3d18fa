/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of an image an undo file keeps besides what an edit writes to. */
#ifndef Q2_EDIT_JOURNAL_H
#define Q2_EDIT_JOURNAL_H

#include "../image/image.h"

/* Keeps the bitmap directory and all tables, as far as they can be found. What else an edit lets
 * go it keeps when it frees it. Errors: as qcow2bm_undo_begin(). */
enum qcow2bm_code q2_journal_keep_structures(struct q2_storage *journal,
					     struct qcow2bm_error *err);

#endif
