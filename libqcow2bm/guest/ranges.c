/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Growing the ranges of a comparison, and telling each. */
#include "ranges.h"

#include "../base/error.h"

void q2_ranges_begin(struct q2_ranges *ranges, struct qcow2bm_comparison *result,
		     unsigned flags, qcow2bm_extent_fn *fn, void *opaque)
{
	*result = (struct qcow2bm_comparison){.first = QCOW2BM_NO_OFFSET,
					      .first_status = QCOW2BM_NO_OFFSET,
					      .failed_disk = QCOW2BM_NOT_FOUND};
	*ranges = (struct q2_ranges){
		.result = result,
		.is_first_enough = (flags & QCOW2BM_COMPARE_FIRST) != 0,
		.fn = fn,
		.opaque = opaque,
	};
}

static enum qcow2bm_code tell(const struct q2_ranges *ranges, struct qcow2bm_error *err)
{
	if (ranges->growing.length == 0 || ranges->fn == NULL ||
	    ranges->fn(ranges->opaque, &ranges->growing) == 0)
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_ESTOPPED, QCOW2BM_NO_OFFSET,
		       "the caller stopped the comparison");
}

enum qcow2bm_code q2_ranges_grow(struct q2_ranges *ranges, uint64_t end, bool differs,
				 struct qcow2bm_error *err)
{
	struct qcow2bm_extent *growing = &ranges->growing;
	uint64_t start = growing->start + growing->length;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (start == end)
		return code;
	if (differs && ranges->result->first == QCOW2BM_NO_OFFSET)
		ranges->result->first = start;
	if (differs)
		ranges->result->differing_bytes += end - start;
	if (growing->length != 0 && growing->dirty != differs) {
		code = tell(ranges, err);
		*growing = (struct qcow2bm_extent){.start = start};
	}
	growing->length += end - start;
	growing->dirty = differs;
	return code;
}

enum qcow2bm_code q2_ranges_end(struct q2_ranges *ranges, uint64_t end,
				struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_ranges_grow(ranges, end, false, err);
	return code == QCOW2BM_OK ? tell(ranges, err) : code;
}

bool q2_ranges_have_enough(const struct q2_ranges *ranges)
{
	return ranges->is_first_enough && ranges->result->first != QCOW2BM_NO_OFFSET;
}
