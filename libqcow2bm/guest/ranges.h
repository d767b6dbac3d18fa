/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ranges that a comparison tells of, the same and different in turn. */
#ifndef Q2_GUEST_RANGES_H
#define Q2_GUEST_RANGES_H

#include "../qcow2bm.h"

struct q2_ranges {
	struct qcow2bm_comparison *result; /* where the first is, and how much all are */
	bool is_first_enough;
	qcow2bm_extent_fn *fn; /* NULL: nobody */
	void *opaque;
	struct qcow2bm_extent growing; /* what is told next; length 0: nothing yet */
};

/* Nothing was compared yet, and *result says so. `flags`: QCOW2BM_COMPARE_... */
void q2_ranges_begin(struct q2_ranges *ranges, struct qcow2bm_comparison *result,
		     unsigned flags, qcow2bm_extent_fn *fn, void *opaque);

/* What differs, or what is the same, goes up to `end`, from where the last one ended. Errors: ESTOPPED
 * by fn. */
enum qcow2bm_code q2_ranges_grow(struct q2_ranges *ranges, uint64_t end, bool differs,
				 struct qcow2bm_error *err);

/* The rest up to `end` is the same, and the last range is told. Errors: ESTOPPED. */
enum qcow2bm_code q2_ranges_end(struct q2_ranges *ranges, uint64_t end,
				struct qcow2bm_error *err);

/* Whether a difference was found, where one is enough. */
bool q2_ranges_have_enough(const struct q2_ranges *ranges);

#endif
