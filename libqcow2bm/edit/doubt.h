/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an edit would leave that looks sound afterwards, and is not. */
#ifndef Q2_EDIT_DOUBT_H
#define Q2_EDIT_DOUBT_H

#include "edit.h"

/* Refuses an edit, unless it is a repair, after which nothing would show any more why a bitmap that
 * it leaves is corrupt. Judges the image, if nothing has yet. Errors: EIMAGE, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_doubt_check(const struct qcow2bm_edit *edit,
				 struct qcow2bm_error *err);

#endif
