/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the public may ask an open disk. */
#include "parts.h"

#include "../base/error.h"

void qcow2bm_disk_close(struct qcow2bm_disk *disk)
{
	q2_guest_disk_close(disk);
}

uint64_t qcow2bm_disk_bytes(const struct qcow2bm_disk *disk)
{
	return q2_guest_disk_bytes(disk);
}

static enum qcow2bm_code check_range(const struct qcow2bm_disk *disk, uint64_t start,
				     uint64_t length, struct qcow2bm_error *err)
{
	if (q2_checked_within(start, length, disk->bytes))
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
		       "%llu bytes at %llu are not inside the disk of %llu bytes",
		       (unsigned long long)length, (unsigned long long)start,
		       (unsigned long long)disk->bytes);
}

static enum qcow2bm_disk_kind kind_of(const struct q2_guest_extent *extent)
{
	static const enum qcow2bm_disk_kind kinds[] = {
		[Q2_GUEST_UNALLOCATED] = QCOW2BM_DISK_UNALLOCATED,
		[Q2_GUEST_BELOW] = QCOW2BM_DISK_BELOW,
		[Q2_GUEST_ZERO] = QCOW2BM_DISK_ZERO,
		[Q2_GUEST_DATA] = QCOW2BM_DISK_DATA,
		[Q2_GUEST_COMPRESSED] = QCOW2BM_DISK_COMPRESSED,
	};
	return kinds[extent->kind];
}

/* Whether the guest's bytes are others than those in the layer's file. */
static bool is_encrypted(const struct qcow2bm_disk *disk,
			 const struct q2_guest_extent *extent)
{
	const struct qcow2bm_image *image = disk->layers[extent->layer].image;
	return image != NULL && image->header.crypt_method != 0;
}

enum qcow2bm_code qcow2bm_disk_next(struct qcow2bm_disk *disk, uint64_t start,
				    uint64_t length,
				    const struct qcow2bm_disk_extent **extent,
				    const struct qcow2bm_watch *watch,
				    struct qcow2bm_error *err)
{
	struct q2_guest_extent own;
	struct q2_watch own_watch;
	enum qcow2bm_code code = check_range(disk, start, length, err);
	if (code == QCOW2BM_OK && length == 0)
		code = q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "an extent of no bytes is asked for");
	if (code == QCOW2BM_OK)
		code = q2_watch_begin(&own_watch, watch, "nothing was changed", err);
	if (code == QCOW2BM_OK)
		code = q2_guest_disk_next(disk, start, start + length, &own, &own_watch,
					  err);
	if (code != QCOW2BM_OK)
		return code;
	bool has_offset = own.kind != Q2_GUEST_COMPRESSED &&
			  own.place != Q2_GUEST_NO_PLACE && !is_encrypted(disk, &own);
	disk->shown = (struct qcow2bm_disk_extent){
		.start = own.off,
		.length = own.bytes,
		.kind = kind_of(&own),
		.layer_idx = own.layer,
		.offset = has_offset ? own.place : QCOW2BM_NO_OFFSET,
		.reads_zero = q2_guest_reads_zero(&own),
		.is_past_end = own.is_past_end,
	};
	*extent = &disk->shown;
	return code;
}

enum qcow2bm_code qcow2bm_disk_read(struct qcow2bm_disk *disk, uint64_t start,
				    uint64_t length, void *buf,
				    const struct qcow2bm_watch *watch,
				    struct qcow2bm_error *err)
{
	struct q2_watch own;
	enum qcow2bm_code code = check_range(disk, start, length, err);
	if (code == QCOW2BM_OK)
		code = q2_watch_begin(&own, watch, "nothing was changed", err);
	return code == QCOW2BM_OK
		       ? q2_guest_disk_read(disk, start, length, buf, &own, err)
		       : code;
}
