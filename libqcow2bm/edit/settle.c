/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An edit with nothing to do: the image has the state already, but perhaps in memory only. An edit
 * that was killed before its last sync, or whose sync failed, leaves it so.
 */
#include "../base/checked.h"
#include "../base/error.h"
#include "../image/extensions.h"
#include "commit.h"

/* After a failed sync the kernel takes what it could not write for written; only what is written
 * again is brought to the disk. One sector at a time: each is on disk as it was or as it is. */
static enum qcow2bm_code rewrite_sectors(const struct qcow2bm_image *image, uint64_t off,
					 uint64_t end, struct qcow2bm_error *err)
{
	uint8_t sector[Q2_SWITCH_MAX_BYTES];
	enum qcow2bm_code code = QCOW2BM_OK;
	end = q2_min_u64(end, image->file_bytes);
	for (off -= off % sizeof(sector); code == QCOW2BM_OK && off < end;
	     off += sizeof(sector)) {
		size_t bytes =
			(size_t)q2_min_u64(sizeof(sector), image->file_bytes - off);
		code = q2_storage_read(image->storage, sector, bytes, off, err);
		if (code == QCOW2BM_OK)
			code = q2_storage_write(image->storage, sector, bytes, off, err);
	}
	return code;
}

/* Where the switch of the edit before may have been: autoclear bit 0, and the extension. */
static enum qcow2bm_code rewrite_switch(const struct qcow2bm_image *image,
					struct qcow2bm_error *err)
{
	const struct q2_extension *extension =
		q2_extensions_find(image, Q2_EXTENSION_BITMAPS);
	enum qcow2bm_code code = rewrite_sectors(image, 0, Q2_SWITCH_MAX_BYTES, err);
	if (code != QCOW2BM_OK || extension == NULL)
		return code;
	uint64_t off = extension->head_off;
	uint64_t end = off + Q2_EXTENSION_HEAD_BYTES + Q2_EXTENSION_BITMAPS_BYTES;
	return rewrite_sectors(image, q2_max_u64(off, Q2_SWITCH_MAX_BYTES), end, err);
}

enum qcow2bm_code q2_settle(struct q2_commit *commit, struct qcow2bm_error *err)
{
	struct qcow2bm_error first = {0};
	enum qcow2bm_code code = rewrite_switch(commit->image, &first);
	if (code == QCOW2BM_OK)
		code = q2_gate_sync(commit, &first);
	if (code != QCOW2BM_OK)
		return q2_fail_for(
			err, QCOW2BM_EUNKNOWN, &first,
			"outcome unknown: %.300s; the image has this state already, but perhaps not on stable storage; look again when the disk works",
			first.sentence);
	return QCOW2BM_OK;
}
