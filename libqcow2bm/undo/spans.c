/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A set of numbers, kept as sorted, separate spans. */
#include "spans.h"

#include "../base/checked.h"
#include "../base/error.h"

#include <stdlib.h>
#include <string.h>

/* The index of the first span that ends behind `number`, or count. */
static size_t find(const struct q2_spans *spans, uint64_t number)
{
	size_t low = 0, high = spans->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (spans->items[middle].end <= number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static enum qcow2bm_code make_room(struct q2_spans *spans, struct qcow2bm_error *err)
{
	if (spans->count < spans->room)
		return QCOW2BM_OK;
	size_t room = spans->room * 2 + 16;
	struct q2_span *grown = realloc(spans->items, room * sizeof(*grown));
	if (grown == NULL)
		return q2_fail_memory(err, "the ranges of an undo file");
	spans->items = grown;
	spans->room = room;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_spans_add(struct q2_spans *spans, uint64_t first, uint64_t end,
			       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = make_room(spans, err);
	if (code != QCOW2BM_OK || first >= end)
		return code;
	/* Those from `low` on, up to `high`, touch the new span and become part of it. */
	size_t low = first == 0 ? 0 : find(spans, first - 1), high = low;
	struct q2_span all = {first, end};
	while (high < spans->count && spans->items[high].first <= end) {
		all.first = q2_min_u64(all.first, spans->items[high].first);
		all.end = q2_max_u64(all.end, spans->items[high].end);
		high++;
	}
	memmove(spans->items + low + 1, spans->items + high,
		(spans->count - high) * sizeof(*spans->items));
	spans->items[low] = all;
	spans->count = spans->count - (high - low) + 1;
	return QCOW2BM_OK;
}

uint64_t q2_spans_part(const struct q2_spans *spans, uint64_t first, uint64_t end,
		       bool *is_in)
{
	size_t idx = find(spans, first);
	*is_in = idx < spans->count && spans->items[idx].first <= first;
	if (idx == spans->count)
		return end;
	return q2_min_u64(end, *is_in ? spans->items[idx].end : spans->items[idx].first);
}

void q2_spans_empty(struct q2_spans *spans)
{
	spans->count = 0;
}

void q2_spans_free(struct q2_spans *spans)
{
	free(spans->items);
	memset(spans, 0, sizeof(*spans));
}
