/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Zeros of a disk, by its tables. */
#include "zeros.h"

#include "../base/checked.h"

#include <string.h>

enum qcow2bm_code q2_zeros_find_end(struct q2_zeros *zeros, uint64_t off, uint64_t *end,
				    struct q2_watch *watch, struct qcow2bm_error *err)
{
	uint64_t bytes = q2_guest_disk_bytes(zeros->disk), at = off;
	if (off >= zeros->from && off < zeros->end)
		at = zeros->end;
	while (at < bytes) {
		struct q2_guest_extent extent;
		enum qcow2bm_code code =
			q2_guest_disk_piece(zeros->disk, at, bytes, &extent, watch, err);
		if (code != QCOW2BM_OK)
			return code;
		if (!q2_guest_reads_zero(&extent) || extent.is_cut)
			break;
		at = extent.off + extent.bytes;
	}
	*end = at < bytes ? at : UINT64_MAX;
	zeros->from = off;
	zeros->end = *end;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_zeros_find_cut(struct qcow2bm_disk *disk, uint64_t off, uint64_t end,
				    struct q2_guest_extent *cut, struct q2_watch *watch,
				    struct qcow2bm_error *err)
{
	uint64_t bytes = q2_min_u64(end, q2_guest_disk_bytes(disk));
	while (off < bytes) {
		enum qcow2bm_code code =
			q2_guest_disk_piece(disk, off, bytes, cut, watch, err);
		if (code != QCOW2BM_OK || cut->is_cut)
			return code;
		off = cut->off + cut->bytes;
	}
	*cut = (struct q2_guest_extent){.off = end};
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_zeros_read(struct qcow2bm_disk *disk, uint64_t off, size_t bytes,
				uint8_t *buf, struct q2_watch *watch,
				struct qcow2bm_error *err)
{
	uint64_t all = q2_guest_disk_bytes(disk);
	size_t have = off >= all ? 0 : (size_t)q2_min_u64(bytes, all - off);
	memset(buf + have, 0, bytes - have);
	return have == 0 ? QCOW2BM_OK
			 : q2_guest_disk_read(disk, off, have, buf, watch, err);
}
