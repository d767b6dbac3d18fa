/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has changed since a checkpoint, over all layers of a disk. */
#include "../base/checked.h"
#include "../base/error.h"
#include "../bitmap/extents.h"
#include "union.h"

enum qcow2bm_code qcow2bm_chain_since(struct qcow2bm_chain *chain, size_t idx,
				      uint64_t start, uint64_t length,
				      qcow2bm_extent_fn *fn, void *opaque,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	struct qcow2bm_since since;
	struct q2_union u;
	uint64_t end = chain->layers[0].virtual_bytes;
	struct q2_watch own;
	enum qcow2bm_code code = qcow2bm_chain_explain(chain, idx, &since, err);
	if (code == QCOW2BM_OK && start > end)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "start %llu lies past the end of the disk (%llu bytes)",
			       (unsigned long long)start, (unsigned long long)end);
	if (code != QCOW2BM_OK || start == end)
		return code;
	end = start + q2_min_u64(length, end - start);
	code = q2_watch_begin(&own, watch, "nothing was changed", err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_union_open(&u, chain, since.first, since.count, 0, err);
	u.watch = &own;
	if (code == QCOW2BM_OK && end > start) {
		struct q2_extents extents =
			q2_extents_begin(start, end, u.granularity_bits, fn, opaque);
		code = q2_union_visit(&u, start >> u.granularity_bits,
				      q2_shift_up(end, u.granularity_bits),
				      q2_extents_add, &extents, err);
		if (code == QCOW2BM_OK)
			code = q2_extents_end(&extents, err);
	}
	q2_union_close(&u);
	return code;
}
