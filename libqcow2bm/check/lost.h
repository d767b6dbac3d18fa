/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leaked clusters that may be data which a bitmap has lost. */
#ifndef Q2_CHECK_LOST_H
#define Q2_CHECK_LOST_H

#include "bitmaps.h"

/* Looks, once it is known which bitmaps are to be dropped. Sorts report->leaked. Errors: ESYSTEM,
 * ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_lost_look(const struct q2_check_bitmaps *bitmaps,
			       bool *has_lost_data, struct qcow2bm_error *err);

#endif
