/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what the reference walk has seen to findings. */
#ifndef Q2_CHECK_FINDINGS_H
#define Q2_CHECK_FINDINGS_H

#include "bitmaps.h"

/* last_used: the highest cluster with a reference or a refcount. */
void q2_findings_add(const struct q2_check_bitmaps *bitmaps, uint64_t last_used);

/* Then, with what q2_lost_look() has found: */
void q2_findings_add_leaks(const struct q2_survey *survey, const struct q2_tally *leaked,
			   bool has_lost_data);

#endif
