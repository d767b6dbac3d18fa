/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The old bytes of a record, from the undo file. */
#include "old.h"

#include <string.h>

enum qcow2bm_code q2_undo_read_old(const struct q2_undo *undo,
				   const struct q2_undo_entry *entry, uint8_t *buf,
				   struct qcow2bm_error *err)
{
	const struct q2_undo_record *record = &entry->record;
	uint64_t sums = (uint64_t)record->bytes / Q2_UNDO_SECTOR_BYTES * 4;
	memset(buf + record->old_bytes, 0, record->bytes - record->old_bytes);
	if (record->old_bytes == 0)
		return QCOW2BM_OK;
	return q2_storage_read(undo->storage, buf, record->old_bytes,
			       entry->payload_off + sums, err);
}

bool q2_undo_mark(const struct q2_undo *undo, uint8_t *buf, size_t bytes, uint64_t off)
{
	size_t low = 0, high = undo->mark_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (undo->marks[middle] < off)
			low = middle + 1;
		else
			high = middle;
	}
	size_t first = low;
	for (; low < undo->mark_count && undo->marks[low] - off < bytes; low++)
		buf[undo->marks[low] - off] |= 1;
	return low > first;
}
