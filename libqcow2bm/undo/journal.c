/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage that notes in an undo file what it is about to change in the storage below. */
#define _POSIX_C_SOURCE 200809L

#include "journal.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "notes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct journal {
	struct q2_storage storage; /* first: a storage pointer is a journal pointer */
	struct q2_notes notes;
	char *path; /* of the undo file; NULL when it is not ours to remove */
};

static struct journal *journal_of(struct q2_storage *storage)
{
	return (struct journal *)(void *)storage;
}

static enum qcow2bm_code journal_read(struct q2_storage *storage, void *buf, size_t bytes,
				      uint64_t off, struct qcow2bm_error *err)
{
	return q2_storage_read(journal_of(storage)->notes.inner, buf, bytes, off, err);
}

/* The old bytes are noted first, then the write is passed on. */
static enum qcow2bm_code journal_write(struct q2_storage *storage, const void *buf,
				       size_t bytes, uint64_t off,
				       struct qcow2bm_error *err)
{
	struct journal *journal = journal_of(storage);
	struct q2_notes_change change = {.buf = buf, .off = off, .bytes = bytes};
	enum qcow2bm_code code =
		q2_storage_length(journal->notes.inner, &change.length_before, err);
	/* A write that goes nowhere is for the storage below to refuse. */
	bool is_real = bytes != 0 &&
		       q2_checked_within(off, bytes, INT64_MAX - Q2_UNDO_SECTOR_BYTES) &&
		       (storage->can_grow ||
			q2_checked_within(off, bytes, change.length_before));
	if (code == QCOW2BM_OK && is_real) {
		change.length_after = q2_max_u64(change.length_before, off + bytes);
		code = q2_notes_change(&journal->notes, &change, err);
	}
	if (code != QCOW2BM_OK)
		return code;
	return q2_storage_write(journal->notes.inner, buf, bytes, off, err);
}

static enum qcow2bm_code journal_sync(struct q2_storage *storage,
				      struct qcow2bm_error *err)
{
	struct journal *journal = journal_of(storage);
	enum qcow2bm_code code = q2_storage_sync(journal->notes.inner, err);
	if (code == QCOW2BM_OK)
		q2_notes_next_stretch(&journal->notes);
	return code;
}

static enum qcow2bm_code journal_resize(struct q2_storage *storage, uint64_t bytes,
					struct qcow2bm_error *err)
{
	struct journal *journal = journal_of(storage);
	struct q2_notes_change change = {.off = bytes, .length_after = bytes};
	enum qcow2bm_code code =
		q2_storage_length(journal->notes.inner, &change.length_before, err);
	if (code == QCOW2BM_OK && bytes < change.length_before)
		change.bytes = change.length_before - bytes;
	if (code == QCOW2BM_OK && storage->can_grow && bytes <= INT64_MAX)
		code = q2_notes_change(&journal->notes, &change, err);
	if (code != QCOW2BM_OK)
		return code;
	return q2_storage_resize(journal->notes.inner, bytes, err);
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

static enum qcow2bm_code journal_keep(struct q2_storage *storage, uint64_t off,
				      uint64_t bytes, struct qcow2bm_error *err)
{
	return q2_notes_keep(&journal_of(storage)->notes, off, bytes, err);
}

static enum qcow2bm_code journal_length(struct q2_storage *storage, uint64_t *bytes,
					struct qcow2bm_error *err)
{
	return q2_storage_length(journal_of(storage)->notes.inner, bytes, err);
}

/* What is noted is written to the image at once. */
static void journal_find_data(struct q2_storage *storage, uint64_t off, uint64_t end,
			      uint64_t *data_off, uint64_t *data_end)
{
	q2_storage_find_data(journal_of(storage)->notes.inner, off, end, data_off,
			     data_end);
}

/* An edit of several images notes when each was written. */
static void journal_stamp(struct q2_storage *storage, bool settle, struct q2_stamp *stamp)
{
	q2_storage_stamp(journal_of(storage)->notes.inner, settle, stamp);
}

static void release(struct journal *journal)
{
	q2_storage_close(journal->notes.writer.file);
	if (journal->path != NULL && !journal->notes.has_changes)
		unlink(journal->path);
	free(journal->path);
	q2_notes_free(&journal->notes);
	free(journal);
}

static void journal_close(struct q2_storage *storage)
{
	q2_storage_close(journal_of(storage)->notes.inner);
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
		q2_storage_length(journal->notes.inner, &header.length_bytes, err);
	if (code != QCOW2BM_OK)
		return code;
	header.start_bytes = (uint32_t)q2_min_u64(header.length_bytes, Q2_UNDO_MAX_START);
	if (header.start_bytes != 0)
		code = q2_storage_read(journal->notes.inner, journal->notes.old,
				       header.start_bytes, 0, err);
	if (code != QCOW2BM_OK)
		return code;
	header.start_crc = q2_undo_crc(0, journal->notes.old, header.start_bytes);
	return q2_undo_write_header(&journal->notes.writer, &header, err);
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
	journal->notes.inner = inner;
	journal->notes.writer.file = undo;
	journal->notes.writer.id = make_id();
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

enum qcow2bm_code q2_journal_end(struct q2_storage *storage, struct q2_storage **inner,
				 struct qcow2bm_error *err)
{
	struct journal *journal = journal_of(storage);
	enum qcow2bm_code code = QCOW2BM_OK;
	*inner = journal->notes.inner;
	if (journal->notes.has_changes)
		code = q2_notes_end(&journal->notes, err);
	release(journal);
	return code;
}
