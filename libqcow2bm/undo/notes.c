/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an undo file holds of an edit: the old bytes of each change, what is let go, what stands at the end. */
#include "notes.h"

#include "../base/checked.h"
#include "../base/error.h"

#include <string.h>

/* So many old bytes of what is let go are kept; of more, the sums. */
#define KEEP_MAX_BYTES (256u << 20)

/* ---- Noting a change ---------------------------------------------------------------- */

/* Reads a range; what lies behind the end is zeros. *inside is what lies before it. */
static enum qcow2bm_code read_padded(struct q2_notes *notes, uint8_t *buf, uint32_t bytes,
				     uint64_t off, uint64_t length, uint32_t *inside,
				     struct qcow2bm_error *err)
{
	*inside = off >= length ? 0 : (uint32_t)q2_min_u64(bytes, length - off);
	memset(buf + *inside, 0, bytes - *inside);
	if (*inside == 0)
		return QCOW2BM_OK;
	return q2_storage_read(notes->inner, buf, *inside, off, err);
}

/* Records of the range at `off`, whose content is in notes->old and will be in notes->new;
 * the first `inside` bytes are in the file now. */
static enum qcow2bm_code note_range(struct q2_notes *notes, uint64_t off, uint32_t bytes,
				    uint32_t inside, uint64_t length_after,
				    struct qcow2bm_error *err)
{
	uint64_t first = off / Q2_UNDO_SECTOR_BYTES;
	uint64_t end = first + bytes / Q2_UNDO_SECTOR_BYTES;
	while (first < end) {
		bool is_noted;
		uint64_t stop = q2_spans_part(&notes->noted, first, end, &is_noted);
		uint32_t from = (uint32_t)(first * Q2_UNDO_SECTOR_BYTES - off);
		struct q2_undo_record record = {
			.kind = Q2_UNDO_CHANGE,
			.off = first * Q2_UNDO_SECTOR_BYTES,
			.bytes = (uint32_t)(stop - first) * Q2_UNDO_SECTOR_BYTES,
			.has_old = !is_noted,
			.length_bytes = length_after,
		};
		if (!is_noted && inside > from)
			record.old_bytes =
				(uint32_t)q2_min_u64(record.bytes, inside - from);
		q2_undo_write_sums(&notes->writer, notes->new + from,
				   (size_t)(stop - first));
		q2_undo_write_old(&notes->writer, notes->old + from, record.old_bytes,
				  (size_t)(stop - first));
		enum qcow2bm_code code =
			q2_undo_write_append(&notes->writer, &record, err);
		if (code != QCOW2BM_OK)
			return code;
		first = stop;
	}
	return QCOW2BM_OK;
}

static void apply(struct q2_notes *notes, const struct q2_notes_change *change,
		  uint64_t off, uint32_t bytes)
{
	uint64_t from = q2_max_u64(off, change->off);
	uint64_t to = q2_min_u64(off + bytes, change->off + change->bytes);
	memcpy(notes->new, notes->old, bytes);
	if (change->buf != NULL)
		memcpy(notes->new + (from - off), change->buf + (from - change->off),
		       (size_t)(to - from));
	else
		memset(notes->new + (from - off), 0, (size_t)(to - from));
}

/* Appends the old bytes of a write, sector by sector, before it is done. */
static enum qcow2bm_code append_change(struct q2_notes *notes,
				       struct q2_notes_change *change,
				       struct qcow2bm_error *err)
{
	change->is_real = change->length_after != change->length_before;
	uint64_t off = change->off & ~(uint64_t)(Q2_UNDO_SECTOR_BYTES - 1);
	uint64_t end = q2_round_up(change->off + change->bytes, Q2_UNDO_SECTOR_BYTES);
	if (change->bytes == 0) {
		struct q2_undo_record record = {.kind = Q2_UNDO_CHANGE,
						.length_bytes = change->length_after};
		return q2_undo_write_append(&notes->writer, &record, err);
	}
	while (off < end) {
		uint32_t bytes = (uint32_t)q2_min_u64(end - off, Q2_UNDO_MAX_RANGE),
			 inside;
		enum qcow2bm_code code = read_padded(notes, notes->old, bytes, off,
						     change->length_before, &inside, err);
		if (code != QCOW2BM_OK)
			return code;
		apply(notes, change, off, bytes);
		change->is_real |= memcmp(notes->old, notes->new, bytes) != 0;
		code = note_range(notes, off, bytes, inside, change->length_after, err);
		if (code != QCOW2BM_OK)
			return code;
		off += bytes;
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_notes_change(struct q2_notes *notes, struct q2_notes_change *change,
				  struct qcow2bm_error *err)
{
	notes->writer.batch_off = notes->writer.at;
	uint64_t first = change->off / Q2_UNDO_SECTOR_BYTES;
	uint64_t end = q2_shift_up(change->off + change->bytes, 9);
	enum qcow2bm_code code = append_change(notes, change, err);
	if (code == QCOW2BM_OK)
		code = q2_undo_write_sync(&notes->writer, err);
	/* In `ever` first: a range that is in `noted` only would have no sum at the end. */
	if (code == QCOW2BM_OK && change->bytes != 0)
		code = q2_spans_add(&notes->ever, first, end, err);
	if (code == QCOW2BM_OK && change->bytes != 0)
		code = q2_spans_add(&notes->noted, first, end, err);
	notes->has_changes |= code == QCOW2BM_OK && change->is_real;
	if (code != QCOW2BM_OK) {
		/* Nobody knows whether they are on the disk: the next ones replace them, and
		 * have higher numbers than what may be left of these. */
		notes->writer.at = notes->writer.batch_off;
	}
	return code;
}

/* ---- Keeping what is let go ---------------------------------------------------------- */

/* Keeps sectors that the edit frees: somebody may write there before the undo. */
static enum qcow2bm_code keep_range(struct q2_notes *notes, uint64_t first, uint64_t end,
				    uint64_t length, struct qcow2bm_error *err)
{
	uint64_t off = first * Q2_UNDO_SECTOR_BYTES, stop = end * Q2_UNDO_SECTOR_BYTES;
	while (off < stop) {
		uint32_t bytes = (uint32_t)q2_min_u64(stop - off, Q2_UNDO_MAX_RANGE),
			 stored;
		size_t sectors = bytes / Q2_UNDO_SECTOR_BYTES;
		struct q2_undo_record record = {.kind = Q2_UNDO_KEPT,
						.off = off,
						.bytes = bytes,
						.length_bytes = length};
		enum qcow2bm_code code =
			read_padded(notes, notes->old, bytes, off, length, &stored, err);
		if (code != QCOW2BM_OK)
			return code;
		while (stored > 0 && notes->old[stored - 1] == 0)
			stored--;
		record.has_old = notes->kept_bytes + stored <= KEEP_MAX_BYTES;
		record.old_bytes = record.has_old ? stored : 0;
		notes->kept_bytes += record.old_bytes;
		q2_undo_write_sums(&notes->writer, notes->old, sectors);
		q2_undo_write_old(&notes->writer, notes->old, record.old_bytes, sectors);
		code = q2_undo_write_append(&notes->writer, &record, err);
		if (code != QCOW2BM_OK)
			return code;
		off += bytes;
	}
	return QCOW2BM_OK;
}

/* What was written to has its old bytes in the file already. */
static enum qcow2bm_code keep_new(struct q2_notes *notes, uint64_t first, uint64_t end,
				  uint64_t length, struct qcow2bm_error *err)
{
	while (first < end) {
		bool is_kept, is_changed;
		uint64_t stop = q2_spans_part(&notes->kept, first, end, &is_kept);
		stop = q2_spans_part(&notes->ever, first, stop, &is_changed);
		if (!is_kept && !is_changed) {
			enum qcow2bm_code code =
				keep_range(notes, first, stop, length, err);
			if (code != QCOW2BM_OK)
				return code;
		}
		first = stop;
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_notes_keep(struct q2_notes *notes, uint64_t off, uint64_t bytes,
				struct qcow2bm_error *err)
{
	uint64_t length, before = notes->writer.at;
	enum qcow2bm_code code = q2_storage_length(notes->inner, &length, err);
	if (code != QCOW2BM_OK || bytes == 0 || off >= length)
		return code;
	uint64_t first = off / Q2_UNDO_SECTOR_BYTES;
	uint64_t end = q2_shift_up(off + q2_min_u64(bytes, length - off), 9);
	notes->writer.batch_off = before;
	code = keep_new(notes, first, end, length, err);
	if (code == QCOW2BM_OK && notes->writer.at != before)
		code = q2_undo_write_sync(&notes->writer, err);
	if (code == QCOW2BM_OK)
		code = q2_spans_add(&notes->kept, first, end, err);
	if (code != QCOW2BM_OK)
		notes->writer.at = before;
	return code;
}

/* ---- Ending ------------------------------------------------------------------------- */

/* Notes the sums of what stands in a span at the end: by them the undo knows that nobody wrote
 * since. */
static enum qcow2bm_code note_standing(struct q2_notes *notes, const struct q2_span *span,
				       uint64_t length, struct qcow2bm_error *err)
{
	uint64_t off = span->first * Q2_UNDO_SECTOR_BYTES;
	uint64_t end = span->end * Q2_UNDO_SECTOR_BYTES;
	while (off < end) {
		uint32_t bytes = (uint32_t)q2_min_u64(end - off, Q2_UNDO_MAX_RANGE),
			 inside;
		struct q2_undo_record record = {.kind = Q2_UNDO_STANDS,
						.off = off,
						.bytes = bytes,
						.length_bytes = length};
		enum qcow2bm_code code =
			read_padded(notes, notes->old, bytes, off, length, &inside, err);
		if (code != QCOW2BM_OK)
			return code;
		q2_undo_write_sums(&notes->writer, notes->old,
				   bytes / Q2_UNDO_SECTOR_BYTES);
		code = q2_undo_write_append(&notes->writer, &record, err);
		if (code != QCOW2BM_OK)
			return code;
		off += bytes;
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_notes_end(struct q2_notes *notes, struct qcow2bm_error *err)
{
	struct q2_undo_record end = {.kind = Q2_UNDO_END};
	notes->writer.batch_off = notes->writer.at;
	enum qcow2bm_code code = q2_storage_length(notes->inner, &end.length_bytes, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < notes->ever.count; i++)
		code = note_standing(notes, &notes->ever.items[i], end.length_bytes, err);
	/* What was written through a mapping gets its time when it is synced. */
	if (code == QCOW2BM_OK)
		code = q2_storage_sync(notes->inner, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_storage_stamp(notes->inner, true, &end.stamp);
	code = q2_undo_write_append(&notes->writer, &end, err);
	if (code != QCOW2BM_OK)
		return code;
	/* Zeros behind the end do no harm; where they cannot be cut off, they stay. */
	(void)q2_storage_resize(notes->writer.file, notes->writer.at, NULL);
	return q2_undo_write_sync(&notes->writer, err);
}

void q2_notes_next_stretch(struct q2_notes *notes)
{
	if (notes->noted.count == 0)
		return;
	q2_spans_empty(&notes->noted);
	notes->writer.stretch++;
}

void q2_notes_free(struct q2_notes *notes)
{
	q2_spans_free(&notes->kept);
	q2_spans_free(&notes->noted);
	q2_spans_free(&notes->ever);
}
