/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an undo file has of clusters that the edit did not write to, but let go. */
#include "kept.h"

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "old.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct kept {
	const struct q2_undo *undo;
	struct q2_storage *image;
	struct q2_spans *altered; /* NULL: put back */
	uint64_t *written;
	const struct q2_undo_entry *entry;
	uint8_t now[Q2_UNDO_MAX_RANGE];
	uint8_t old[Q2_UNDO_MAX_RANGE];
	uint8_t sums[Q2_UNDO_MAX_RANGE / Q2_UNDO_SECTOR_BYTES * 4];
};

static enum qcow2bm_code read_now(struct kept *kept, struct qcow2bm_error *err)
{
	const struct q2_undo_record *record = &kept->entry->record;
	uint64_t length, inside = 0;
	enum qcow2bm_code code = q2_storage_length(kept->image, &length, err);
	if (code == QCOW2BM_OK && record->off < length)
		inside = q2_min_u64(record->bytes, length - record->off);
	memset(kept->now + inside, 0, record->bytes - (size_t)inside);
	if (code == QCOW2BM_OK && inside != 0)
		code = q2_storage_read(kept->image, kept->now, (size_t)inside,
				       record->off, err);
	return code;
}

static enum qcow2bm_code load_entry(struct kept *kept, struct qcow2bm_error *err)
{
	const struct q2_undo_record *record = &kept->entry->record;
	enum qcow2bm_code code = read_now(kept, err);
	if (code == QCOW2BM_OK && record->has_old)
		return q2_undo_read_old(kept->undo, kept->entry, kept->old, err);
	if (code == QCOW2BM_OK)
		code = q2_storage_read(kept->undo->storage, kept->sums,
				       record->bytes / Q2_UNDO_SECTOR_BYTES * 4,
				       kept->entry->payload_off, err);
	return code;
}

/* Whether sector `i` of the entry is as it was, but for marks. */
static bool is_as_kept(const struct kept *kept, size_t i)
{
	const struct q2_undo_record *record = &kept->entry->record;
	const uint8_t *now = kept->now + i * Q2_UNDO_SECTOR_BYTES;
	uint8_t marked[Q2_UNDO_SECTOR_BYTES];
	if (!record->has_old)
		return q2_undo_crc(0, now, Q2_UNDO_SECTOR_BYTES) ==
		       q2_be32_load(kept->sums + 4 * i);
	memcpy(marked, kept->old + i * Q2_UNDO_SECTOR_BYTES, sizeof(marked));
	if (memcmp(now, marked, sizeof(marked)) == 0)
		return true;
	return q2_undo_mark(kept->undo, marked, sizeof(marked),
			    record->off + i * Q2_UNDO_SECTOR_BYTES) &&
	       memcmp(now, marked, sizeof(marked)) == 0;
}

/* Sectors that are another by now are put back where the old bytes are known, and refused where
 * only their sum is. */
static enum qcow2bm_code compare_part(struct kept *kept, uint64_t first, uint64_t end,
				      struct qcow2bm_error *err)
{
	const struct q2_undo_record *record = &kept->entry->record;
	uint64_t start = record->off / Q2_UNDO_SECTOR_BYTES;
	for (uint64_t sector = first; sector < end; sector++) {
		if (is_as_kept(kept, (size_t)(sector - start)))
			continue;
		if (!record->has_old)
			return q2_fail(
				err, QCOW2BM_EINVAL, sector * Q2_UNDO_SECTOR_BYTES,
				"something else has written since: the sector at byte %" PRIu64
				", which the edit freed, is another, and the undo file has only its sum",
				sector * Q2_UNDO_SECTOR_BYTES);
		enum qcow2bm_code code =
			q2_spans_add(kept->altered, sector, sector + 1, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code put_back_part(struct kept *kept, uint64_t first, uint64_t end,
				       struct qcow2bm_error *err)
{
	const struct q2_undo_record *record = &kept->entry->record;
	size_t from = (size_t)(first * Q2_UNDO_SECTOR_BYTES - record->off);
	uint64_t off = first * Q2_UNDO_SECTOR_BYTES,
		 length = kept->undo->header.length_bytes;
	/* The last sector may reach behind the end of the file. */
	size_t bytes = off >= length
			       ? 0
			       : (size_t)q2_min_u64(end * Q2_UNDO_SECTOR_BYTES - off,
						    length - off);
	if (bytes == 0 || !record->has_old ||
	    memcmp(kept->now + from, kept->old + from, bytes) == 0)
		return QCOW2BM_OK;
	*kept->written += bytes;
	return q2_storage_write(kept->image, kept->old + from, bytes, off, err);
}

/* What the edit has written to, its own records put back. */
static enum qcow2bm_code visit_entry(struct kept *kept, struct qcow2bm_error *err)
{
	const struct q2_undo_record *record = &kept->entry->record;
	uint64_t first = record->off / Q2_UNDO_SECTOR_BYTES;
	uint64_t end = first + record->bytes / Q2_UNDO_SECTOR_BYTES;
	enum qcow2bm_code code = load_entry(kept, err);
	if (kept->altered == NULL)
		q2_undo_mark(kept->undo, kept->old, record->bytes, record->off);
	while (code == QCOW2BM_OK && first < end) {
		bool is_changed;
		uint64_t stop =
			q2_spans_part(&kept->undo->changed, first, end, &is_changed);
		if (!is_changed)
			code = kept->altered != NULL
				       ? compare_part(kept, first, stop, err)
				       : put_back_part(kept, first, stop, err);
		first = stop;
	}
	return code;
}

/* Compares all that the edit freed with what stands there now. */
static enum qcow2bm_code visit(const struct q2_undo *undo, struct q2_storage *image,
			       struct q2_spans *altered, uint64_t *written,
			       struct qcow2bm_error *err)
{
	struct kept *kept = calloc(1, sizeof(*kept));
	if (kept == NULL)
		return q2_fail_memory(err, "an undo file");
	kept->undo = undo;
	kept->image = image;
	kept->altered = altered;
	kept->written = written;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < undo->count; i++) {
		kept->entry = &undo->entries[i];
		if (kept->entry->record.kind == Q2_UNDO_KEPT)
			code = visit_entry(kept, err);
	}
	free(kept);
	return code;
}

enum qcow2bm_code q2_undo_find_altered(const struct q2_undo *undo,
				       struct q2_storage *image, struct q2_spans *altered,
				       struct qcow2bm_error *err)
{
	return visit(undo, image, altered, NULL, err);
}

enum qcow2bm_code q2_undo_put_back_kept(const struct q2_undo *undo,
					struct q2_storage *image, uint64_t *written,
					struct qcow2bm_error *err)
{
	return visit(undo, image, NULL, written, err);
}
