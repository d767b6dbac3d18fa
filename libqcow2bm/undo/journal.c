/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage that notes in an undo file what it is about to change in the storage below. */
#define _POSIX_C_SOURCE 200809L

#include "journal.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "spans.h"
#include "write.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* So many old bytes of what is let go are kept; of more, the sums. */
#define KEEP_MAX_BYTES (256u << 20)

struct journal {
	struct q2_storage storage; /* first: a storage pointer is a journal pointer */
	struct q2_storage *inner;
	struct q2_undo_writer undo;
	char *path; /* of the undo file; NULL when it is not ours to remove */
	bool has_changes;
	uint64_t kept_bytes;
	struct q2_spans noted; /* sectors that this stretch has the old bytes of */
	struct q2_spans ever;  /* sectors that any change is about */
	struct q2_spans kept;  /* sectors that were let go without one */
	uint8_t old[Q2_UNDO_MAX_RANGE];
	uint8_t new[Q2_UNDO_MAX_RANGE];
};

static struct journal *journal_of(struct q2_storage *storage)
{
	return (struct journal *)(void *)storage;
}

/* ---- Noting a change ---------------------------------------------------------------- */

/* Reads a range; what lies behind the end is zeros. *inside is what lies before it. */
static enum qcow2bm_code read_padded(struct journal *journal, uint8_t *buf,
				     uint32_t bytes, uint64_t off, uint64_t length,
				     uint32_t *inside, struct qcow2bm_error *err)
{
	*inside = off >= length ? 0 : (uint32_t)q2_min_u64(bytes, length - off);
	memset(buf + *inside, 0, bytes - *inside);
	if (*inside == 0)
		return QCOW2BM_OK;
	return q2_storage_read(journal->inner, buf, *inside, off, err);
}

/* Records of the range at `off`, whose content is in journal->old and will be in journal->new;
 * the first `inside` bytes are in the file now. */
static enum qcow2bm_code note_range(struct journal *journal, uint64_t off, uint32_t bytes,
				    uint32_t inside, uint64_t length_after,
				    struct qcow2bm_error *err)
{
	uint64_t first = off / Q2_UNDO_SECTOR_BYTES;
	uint64_t end = first + bytes / Q2_UNDO_SECTOR_BYTES;
	while (first < end) {
		bool is_noted;
		uint64_t stop = q2_spans_part(&journal->noted, first, end, &is_noted);
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
		q2_undo_write_sums(&journal->undo, journal->new + from,
				   (size_t)(stop - first));
		q2_undo_write_old(&journal->undo, journal->old + from, record.old_bytes,
				  (size_t)(stop - first));
		enum qcow2bm_code code =
			q2_undo_write_append(&journal->undo, &record, err);
		if (code != QCOW2BM_OK)
			return code;
		first = stop;
	}
	return QCOW2BM_OK;
}

/* What is to become of the bytes [off, off+bytes): `buf`, or zeros when it is NULL. */
struct change {
	const uint8_t *buf;
	uint64_t off, bytes;
	uint64_t length_before, length_after;
	bool is_real; /* some byte or the length becomes another */
};

static void apply(struct journal *journal, const struct change *change, uint64_t off,
		  uint32_t bytes)
{
	uint64_t from = q2_max_u64(off, change->off);
	uint64_t to = q2_min_u64(off + bytes, change->off + change->bytes);
	memcpy(journal->new, journal->old, bytes);
	if (change->buf != NULL)
		memcpy(journal->new + (from - off), change->buf + (from - change->off),
		       (size_t)(to - from));
	else
		memset(journal->new + (from - off), 0, (size_t)(to - from));
}

/* Appends the old bytes of a write, sector by sector, before it is done. */
static enum qcow2bm_code append_change(struct journal *journal, struct change *change,
				       struct qcow2bm_error *err)
{
	change->is_real = change->length_after != change->length_before;
	uint64_t off = change->off & ~(uint64_t)(Q2_UNDO_SECTOR_BYTES - 1);
	uint64_t end = q2_round_up(change->off + change->bytes, Q2_UNDO_SECTOR_BYTES);
	if (change->bytes == 0) {
		struct q2_undo_record record = {.kind = Q2_UNDO_CHANGE,
						.length_bytes = change->length_after};
		return q2_undo_write_append(&journal->undo, &record, err);
	}
	while (off < end) {
		uint32_t bytes = (uint32_t)q2_min_u64(end - off, Q2_UNDO_MAX_RANGE),
			 inside;
		enum qcow2bm_code code = read_padded(journal, journal->old, bytes, off,
						     change->length_before, &inside, err);
		if (code != QCOW2BM_OK)
			return code;
		apply(journal, change, off, bytes);
		change->is_real |= memcmp(journal->old, journal->new, bytes) != 0;
		code = note_range(journal, off, bytes, inside, change->length_after, err);
		if (code != QCOW2BM_OK)
			return code;
		off += bytes;
	}
	return QCOW2BM_OK;
}

/* The change may be made when this has succeeded, and not before. */
static enum qcow2bm_code note_change(struct journal *journal, struct change *change,
				     struct qcow2bm_error *err)
{
	journal->undo.batch_off = journal->undo.at;
	uint64_t first = change->off / Q2_UNDO_SECTOR_BYTES;
	uint64_t end = q2_shift_up(change->off + change->bytes, 9);
	enum qcow2bm_code code = append_change(journal, change, err);
	if (code == QCOW2BM_OK)
		code = q2_undo_write_sync(&journal->undo, err);
	/* In `ever` first: a range that is in `noted` only would have no sum at the end. */
	if (code == QCOW2BM_OK && change->bytes != 0)
		code = q2_spans_add(&journal->ever, first, end, err);
	if (code == QCOW2BM_OK && change->bytes != 0)
		code = q2_spans_add(&journal->noted, first, end, err);
	journal->has_changes |= code == QCOW2BM_OK && change->is_real;
	if (code != QCOW2BM_OK) {
		/* Nobody knows whether they are on the disk: the next ones replace them, and
		 * have higher numbers than what may be left of these. */
		journal->undo.at = journal->undo.batch_off;
	}
	return code;
}

/* ---- Keeping what is let go ---------------------------------------------------------- */

/* Keeps sectors that the edit frees: somebody may write there before the undo. */
static enum qcow2bm_code keep_range(struct journal *journal, uint64_t first, uint64_t end,
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
		enum qcow2bm_code code = read_padded(journal, journal->old, bytes, off,
						     length, &stored, err);
		if (code != QCOW2BM_OK)
			return code;
		while (stored > 0 && journal->old[stored - 1] == 0)
			stored--;
		record.has_old = journal->kept_bytes + stored <= KEEP_MAX_BYTES;
		record.old_bytes = record.has_old ? stored : 0;
		journal->kept_bytes += record.old_bytes;
		q2_undo_write_sums(&journal->undo, journal->old, sectors);
		q2_undo_write_old(&journal->undo, journal->old, record.old_bytes,
				  sectors);
		code = q2_undo_write_append(&journal->undo, &record, err);
		if (code != QCOW2BM_OK)
			return code;
		off += bytes;
	}
	return QCOW2BM_OK;
}

/* What was written to has its old bytes in the file already. */
static enum qcow2bm_code keep_new(struct journal *journal, uint64_t first, uint64_t end,
				  uint64_t length, struct qcow2bm_error *err)
{
	while (first < end) {
		bool is_kept, is_changed;
		uint64_t stop = q2_spans_part(&journal->kept, first, end, &is_kept);
		stop = q2_spans_part(&journal->ever, first, stop, &is_changed);
		if (!is_kept && !is_changed) {
			enum qcow2bm_code code =
				keep_range(journal, first, stop, length, err);
			if (code != QCOW2BM_OK)
				return code;
		}
		first = stop;
	}
	return QCOW2BM_OK;
}

/* The records are synced before the room is given back. */
static enum qcow2bm_code journal_keep(struct q2_storage *storage, uint64_t off,
				      uint64_t bytes, struct qcow2bm_error *err)
{
	struct journal *journal = journal_of(storage);
	uint64_t length, before = journal->undo.at;
	enum qcow2bm_code code = q2_storage_length(journal->inner, &length, err);
	if (code != QCOW2BM_OK || bytes == 0 || off >= length)
		return code;
	uint64_t first = off / Q2_UNDO_SECTOR_BYTES;
	uint64_t end = q2_shift_up(off + q2_min_u64(bytes, length - off), 9);
	journal->undo.batch_off = before;
	code = keep_new(journal, first, end, length, err);
	if (code == QCOW2BM_OK && journal->undo.at != before)
		code = q2_undo_write_sync(&journal->undo, err);
	if (code == QCOW2BM_OK)
		code = q2_spans_add(&journal->kept, first, end, err);
	if (code != QCOW2BM_OK)
		journal->undo.at = before;
	return code;
}

/* ---- The storage -------------------------------------------------------------------- */

static enum qcow2bm_code journal_read(struct q2_storage *storage, void *buf, size_t bytes,
				      uint64_t off, struct qcow2bm_error *err)
{
	return q2_storage_read(journal_of(storage)->inner, buf, bytes, off, err);
}

/* The old bytes are noted first, then the write is passed on. */
static enum qcow2bm_code journal_write(struct q2_storage *storage, const void *buf,
				       size_t bytes, uint64_t off,
				       struct qcow2bm_error *err)
{
	struct journal *journal = journal_of(storage);
	struct change change = {.buf = buf, .off = off, .bytes = bytes};
	enum qcow2bm_code code =
		q2_storage_length(journal->inner, &change.length_before, err);
	/* A write that goes nowhere is for the storage below to refuse. */
	bool is_real = bytes != 0 &&
		       q2_checked_within(off, bytes, INT64_MAX - Q2_UNDO_SECTOR_BYTES) &&
		       (storage->can_grow ||
			q2_checked_within(off, bytes, change.length_before));
	if (code == QCOW2BM_OK && is_real) {
		change.length_after = q2_max_u64(change.length_before, off + bytes);
		code = note_change(journal, &change, err);
	}
	if (code != QCOW2BM_OK)
		return code;
	return q2_storage_write(journal->inner, buf, bytes, off, err);
}

static enum qcow2bm_code journal_sync(struct q2_storage *storage,
				      struct qcow2bm_error *err)
{
	struct journal *journal = journal_of(storage);
	enum qcow2bm_code code = q2_storage_sync(journal->inner, err);
	if (code != QCOW2BM_OK || journal->noted.count == 0)
		return code;
	q2_spans_empty(&journal->noted);
	journal->undo.stretch++;
	return QCOW2BM_OK;
}

static enum qcow2bm_code journal_resize(struct q2_storage *storage, uint64_t bytes,
					struct qcow2bm_error *err)
{
	struct journal *journal = journal_of(storage);
	struct change change = {.off = bytes, .length_after = bytes};
	enum qcow2bm_code code =
		q2_storage_length(journal->inner, &change.length_before, err);
	if (code == QCOW2BM_OK && bytes < change.length_before)
		change.bytes = change.length_before - bytes;
	if (code == QCOW2BM_OK && storage->can_grow && bytes <= INT64_MAX)
		code = note_change(journal, &change, err);
	if (code != QCOW2BM_OK)
		return code;
	return q2_storage_resize(journal->inner, bytes, err);
}

/* Space is given back only when nobody wants the old bytes any more. */
static enum qcow2bm_code journal_discard(struct q2_storage *storage, uint64_t off,
					 uint64_t bytes, struct qcow2bm_error *err)
{
	(void)storage;
	(void)off;
	(void)bytes;
	(void)err;
	return QCOW2BM_OK;
}

static enum qcow2bm_code journal_length(struct q2_storage *storage, uint64_t *bytes,
					struct qcow2bm_error *err)
{
	return q2_storage_length(journal_of(storage)->inner, bytes, err);
}

/* What is noted is written to the image at once. */
static void journal_find_data(struct q2_storage *storage, uint64_t off, uint64_t end,
			      uint64_t *data_off, uint64_t *data_end)
{
	q2_storage_find_data(journal_of(storage)->inner, off, end, data_off, data_end);
}

/* An edit of several images notes when each was written. */
static void journal_stamp(struct q2_storage *storage, bool settle, struct q2_stamp *stamp)
{
	q2_storage_stamp(journal_of(storage)->inner, settle, stamp);
}

static void release(struct journal *journal)
{
	q2_storage_close(journal->undo.file);
	if (journal->path != NULL && !journal->has_changes)
		unlink(journal->path);
	free(journal->path);
	q2_spans_free(&journal->kept);
	q2_spans_free(&journal->noted);
	q2_spans_free(&journal->ever);
	free(journal);
}

static void journal_close(struct q2_storage *storage)
{
	q2_storage_close(journal_of(storage)->inner);
	release(journal_of(storage));
}

static const struct q2_storage_ops journal_ops = {
	.read = journal_read,
	.write = journal_write,
	.sync = journal_sync,
	.resize = journal_resize,
	.discard = journal_discard,
	.length = journal_length,
	.find_data = journal_find_data,
	.keep = journal_keep,
	.stamp = journal_stamp,
	.close = journal_close,
};

/* ---- Beginning ---------------------------------------------------------------------- */

/* Tells this undo file's records from those of another whose bytes happen to lie about. */
static uint64_t make_id(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return ((uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec) *
		       0x9e3779b97f4a7c15u ^
	       (uint64_t)getpid();
}

static enum qcow2bm_code write_header(struct journal *journal, struct qcow2bm_error *err)
{
	struct q2_undo_header header = {0};
	enum qcow2bm_code code =
		q2_storage_length(journal->inner, &header.length_bytes, err);
	if (code != QCOW2BM_OK)
		return code;
	header.start_bytes = (uint32_t)q2_min_u64(header.length_bytes, Q2_UNDO_MAX_START);
	if (header.start_bytes != 0)
		code = q2_storage_read(journal->inner, journal->old, header.start_bytes,
				       0, err);
	if (code != QCOW2BM_OK)
		return code;
	header.start_crc = q2_undo_crc(0, journal->old, header.start_bytes);
	return q2_undo_write_header(&journal->undo, &header, err);
}

/* *journal owns neither storage after a failure. */
static enum qcow2bm_code begin(struct journal **result, struct q2_storage *inner,
			       struct q2_storage *undo, struct qcow2bm_error *err)
{
	assert(inner->writable);
	struct journal *journal = calloc(1, sizeof(*journal));
	if (journal == NULL)
		return q2_fail_memory(err, "an undo file");
	journal->storage = *inner;
	journal->storage.ops = &journal_ops;
	journal->inner = inner;
	journal->undo.file = undo;
	journal->undo.id = make_id();
	enum qcow2bm_code code = write_header(journal, err);
	if (code != QCOW2BM_OK) {
		free(journal);
		return code;
	}
	*result = journal;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_journal_open_over(struct q2_storage **storage,
				       struct q2_storage *inner, struct q2_storage *undo,
				       struct qcow2bm_error *err)
{
	struct journal *journal;
	enum qcow2bm_code code = begin(&journal, inner, undo, err);
	if (code == QCOW2BM_OK)
		*storage = &journal->storage;
	else
		q2_storage_close(undo);
	return code;
}

enum qcow2bm_code q2_journal_open(struct q2_storage **storage, struct q2_storage *inner,
				  const char *path, struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {.code = QCOW2BM_OK};
	struct q2_storage *undo;
	struct journal *journal = NULL;
	char *copy = strdup(path);
	if (copy == NULL)
		return q2_fail_memory(err, "an undo file");
	if (q2_file_create(&undo, path, &cause) != QCOW2BM_OK) {
		free(copy);
		return q2_undo_write_blame(&cause, err);
	}
	enum qcow2bm_code code = begin(&journal, inner, undo, err);
	if (code != QCOW2BM_OK) {
		q2_storage_close(undo);
		unlink(path);
		free(copy);
		return code;
	}
	journal->path = copy;
	*storage = &journal->storage;
	return QCOW2BM_OK;
}

bool q2_journal_is(const struct q2_storage *storage)
{
	return storage->ops == &journal_ops;
}

/* ---- Ending ------------------------------------------------------------------------- */

/* Notes the sums of what stands in a span at the end: by them the undo knows that nobody wrote
 * since. */
static enum qcow2bm_code note_standing(struct journal *journal,
				       const struct q2_span *span, uint64_t length,
				       struct qcow2bm_error *err)
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
		enum qcow2bm_code code = read_padded(journal, journal->old, bytes, off,
						     length, &inside, err);
		if (code != QCOW2BM_OK)
			return code;
		q2_undo_write_sums(&journal->undo, journal->old,
				   bytes / Q2_UNDO_SECTOR_BYTES);
		code = q2_undo_write_append(&journal->undo, &record, err);
		if (code != QCOW2BM_OK)
			return code;
		off += bytes;
	}
	return QCOW2BM_OK;
}

/* The end of an edit: what stands where it wrote, and the file's time stamps. */
static enum qcow2bm_code note_end(struct journal *journal, struct qcow2bm_error *err)
{
	struct q2_undo_record end = {.kind = Q2_UNDO_END};
	journal->undo.batch_off = journal->undo.at;
	enum qcow2bm_code code =
		q2_storage_length(journal->inner, &end.length_bytes, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < journal->ever.count; i++)
		code = note_standing(journal, &journal->ever.items[i], end.length_bytes,
				     err);
	/* What was written through a mapping gets its time when it is synced. */
	if (code == QCOW2BM_OK)
		code = q2_storage_sync(journal->inner, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_storage_stamp(journal->inner, true, &end.stamp);
	code = q2_undo_write_append(&journal->undo, &end, err);
	if (code != QCOW2BM_OK)
		return code;
	/* Zeros behind the end do no harm; where they cannot be cut off, they stay. */
	(void)q2_storage_resize(journal->undo.file, journal->undo.at, NULL);
	return q2_undo_write_sync(&journal->undo, err);
}

enum qcow2bm_code q2_journal_end(struct q2_storage *storage, struct q2_storage **inner,
				 struct qcow2bm_error *err)
{
	struct journal *journal = journal_of(storage);
	enum qcow2bm_code code = QCOW2BM_OK;
	*inner = journal->inner;
	if (journal->has_changes)
		code = note_end(journal, err);
	release(journal);
	return code;
}
