/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes free when bitmaps are dropped. */
#ifndef Q2_CHECK_DROPS_H
#define Q2_CHECK_DROPS_H

#include "bitmaps.h"

/* What only bitmaps refer to that are to be dropped becomes free, whatever its refcount: sets of the
 * report. Errors: ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_drops_settle(struct q2_check_bitmaps *bitmaps,
				  const struct q2_refcounts *refcounts,
				  struct qcow2bm_error *err);

#endif
