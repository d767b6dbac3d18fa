/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A set of numbers, kept as sorted, separate spans. */
#ifndef Q2_UNDO_SPANS_H
#define Q2_UNDO_SPANS_H

#include "../qcow2bm.h"

struct q2_span {
	uint64_t first, end; /* without the end */
};

/* All zero: empty. */
struct q2_spans {
	struct q2_span *items;
	size_t count, room;
};

/* Adds [first, end). Errors: ENOMEM; the set is as before. */
enum qcow2bm_code q2_spans_add(struct q2_spans *spans, uint64_t first, uint64_t end,
			       struct qcow2bm_error *err);

/* Where the first part of [first, end) stops that is in the set as a whole, or not at all. */
uint64_t q2_spans_part(const struct q2_spans *spans, uint64_t first, uint64_t end,
		       bool *is_in);

void q2_spans_empty(struct q2_spans *spans);
void q2_spans_free(struct q2_spans *spans);

#endif
