/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Putting back what an undo file has of an image. */
#include "undo.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "kept.h"
#include "old.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct run {
	const struct q2_undo *undo;
	struct q2_storage *image;
	unsigned flags;
	bool rewrites;   /* what is back already is written once more */
	uint64_t length; /* of the image now */
	struct qcow2bm_undo_result *result;
	uint8_t buf[Q2_UNDO_MAX_RANGE];
};

/* The first bytes of the image as they were before, all old bytes put back. */
static enum qcow2bm_code make_start(struct run *run, uint8_t *start,
				    struct qcow2bm_error *err)
{
	uint32_t bytes = run->undo->header.start_bytes;
	uint32_t inside = (uint32_t)q2_min_u64(bytes, run->length);
	enum qcow2bm_code code = QCOW2BM_OK;
	memset(start, 0, bytes);
	if (inside != 0)
		code = q2_storage_read(run->image, start, inside, 0, err);
	for (size_t i = run->undo->count; code == QCOW2BM_OK && i-- > 0;) {
		const struct q2_undo_entry *entry = &run->undo->entries[i];
		uint64_t off = entry->record.off;
		if (!entry->record.has_old || off >= bytes)
			continue;
		code = q2_undo_read_old(run->undo, entry, run->buf, err);
		if (code == QCOW2BM_OK)
			memcpy(start + off, run->buf,
			       (size_t)q2_min_u64(entry->record.bytes, bytes - off));
	}
	return code;
}

/* A copy of the image is as good; another image is not. */
static enum qcow2bm_code check_identity(struct run *run, struct qcow2bm_error *err)
{
	const struct q2_undo_header *header = &run->undo->header;
	uint8_t *start = malloc(Q2_UNDO_MAX_START);
	if (start == NULL)
		return q2_fail_memory(err, "the start of the image");
	enum qcow2bm_code code = make_start(run, start, err);
	if (code == QCOW2BM_OK &&
	    q2_undo_crc(0, start, header->start_bytes) != header->start_crc)
		code = q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the undo file belongs to another image, or something else has written into the first %" PRIu32
			" bytes since",
			header->start_bytes);
	free(start);
	return code;
}

/* While an edit or its undoing is under way the image has one of many lengths. */
static enum qcow2bm_code check_length(struct run *run, struct qcow2bm_error *err)
{
	const struct q2_undo *undo = run->undo;
	uint64_t least = undo->least_bytes, most = undo->most_bytes;
	if (undo->has_end) {
		least = q2_min_u64(undo->end_bytes, undo->header.length_bytes);
		most = q2_max_u64(undo->end_bytes, undo->header.length_bytes);
	}
	if (run->length >= least && run->length <= most)
		return QCOW2BM_OK;
	if (!undo->has_end && (run->flags & QCOW2BM_UNDO_FORCE))
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EINVAL, q2_min_u64(run->length, most),
		       "something else has written since: the image is %" PRIu64
		       " bytes long, not %" PRIu64 "%s",
		       run->length, undo->has_end ? undo->end_bytes : most,
		       undo->has_end ? "" : ", and the edit was interrupted (--force)");
}

/* An image that stands nowhere on the way was written by somebody else: refused, unless it may
 * be a torn sector. */
static enum qcow2bm_code check_position(struct run *run,
					struct q2_undo_position *position,
					struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_undo_find_position(run->undo, run->image, position, err);
	if (code != QCOW2BM_OK || position->is_known)
		return code;
	bool may_force = !run->undo->has_end;
	if (may_force && (run->flags & QCOW2BM_UNDO_FORCE)) {
		position->stretch = run->undo->stretches;
		position->forced = true;
		return QCOW2BM_OK;
	}
	const char *advice =
		may_force
			? "; the edit was interrupted: if nothing else has written since, a disk may have torn a sector, and --force undoes it"
			: "";
	if (position->off == QCOW2BM_NO_OFFSET)
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"something else has written since: parts of the image are from different moments%s",
			advice);
	return q2_fail(err, QCOW2BM_EINVAL, position->off,
		       "something else has written since: the sector at byte %" PRIu64
		       " is neither as it was before nor as the edit left it%s",
		       position->off, advice);
}

/* What the range held, zeros where the file ended: they must be there until it is cut off, so
 * that an undoing that was interrupted is known for one. */
static enum qcow2bm_code put_back_entry(struct run *run,
					const struct q2_undo_entry *entry,
					struct qcow2bm_error *err)
{
	const struct q2_undo_record *record = &entry->record;
	uint64_t length, bytes = record->old_bytes;
	enum qcow2bm_code code = q2_storage_length(run->image, &length, err);
	if (code == QCOW2BM_OK && length > record->off)
		bytes = q2_max_u64(bytes,
				   q2_min_u64(length - record->off, record->bytes));
	if (code == QCOW2BM_OK)
		code = q2_undo_read_old(run->undo, entry, run->buf, err);
	if (code != QCOW2BM_OK || bytes == 0)
		return code;
	q2_undo_mark(run->undo, run->buf, (size_t)bytes, record->off);
	run->result->restored_bytes += bytes;
	return q2_storage_write(run->image, run->buf, (size_t)bytes, record->off, err);
}

/* What the range holds, as far as the file goes, written as it stands. */
static enum qcow2bm_code rewrite_entry(struct run *run, const struct q2_undo_entry *entry,
				       struct qcow2bm_error *err)
{
	uint64_t length, off = entry->record.off;
	enum qcow2bm_code code = q2_storage_length(run->image, &length, err);
	if (code != QCOW2BM_OK || off >= length)
		return code;
	size_t bytes = (size_t)q2_min_u64(entry->record.bytes, length - off);
	code = q2_storage_read(run->image, run->buf, bytes, off, err);
	run->result->restored_bytes += bytes;
	if (code == QCOW2BM_OK && bytes != 0)
		code = q2_storage_write(run->image, run->buf, bytes, off, err);
	return code;
}

/* Back from the end of the stretch to its start: what a power cut leaves meanwhile, one in the
 * edit could have left. *end is behind the entries of this stretch, and then in front of them. */
static enum qcow2bm_code put_back(struct run *run, uint32_t stretch, size_t *end,
				  struct qcow2bm_error *err)
{
	uint64_t before = run->result->restored_bytes;
	while (*end > 0 && run->undo->entries[*end - 1].record.stretch >= stretch) {
		const struct q2_undo_entry *entry = &run->undo->entries[--*end];
		const struct q2_undo_record *record = &entry->record;
		if (record->stretch != stretch || !record->has_old ||
		    record->kind == Q2_UNDO_KEPT)
			continue;
		enum qcow2bm_code code = run->rewrites ? rewrite_entry(run, entry, err)
						       : put_back_entry(run, entry, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	if (run->result->restored_bytes == before)
		return QCOW2BM_OK;
	run->result->syncs++;
	return q2_storage_sync(run->image, err);
}

static enum qcow2bm_code put_back_length(struct run *run, struct qcow2bm_error *err)
{
	uint64_t old = run->undo->header.length_bytes;
	enum qcow2bm_code code = q2_storage_length(run->image, &run->length, err);
	if (code != QCOW2BM_OK || run->length == old)
		return code;
	code = q2_storage_resize(run->image, old, err);
	run->result->syncs++;
	return code == QCOW2BM_OK ? q2_storage_sync(run->image, err) : code;
}

/* While nothing refers to it: a crash leaves it in free clusters. The marks are there before the
 * header leads to them again. */
static enum qcow2bm_code put_back_kept(struct run *run, struct qcow2bm_error *err)
{
	uint64_t before = run->result->restored_bytes;
	enum qcow2bm_code code = q2_undo_put_back_kept(run->undo, run->image,
						       &run->result->restored_bytes, err);
	if (code != QCOW2BM_OK || run->result->restored_bytes == before)
		return code;
	run->result->syncs++;
	return q2_storage_sync(run->image, err);
}

/* Puts the records back from the last to the first, so that a second try finds a place on the
 * same way. */
static enum qcow2bm_code restore(struct run *run, const struct q2_undo_position *position,
				 struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {.code = QCOW2BM_OK};
	enum qcow2bm_code code = run->rewrites ? QCOW2BM_OK : put_back_kept(run, &cause);
	size_t entry_end = run->undo->count;
	/* At the end of the last stretch it is the last that goes first. */
	uint32_t end = (uint32_t)q2_min_u64((uint64_t)position->stretch + 1,
					    run->undo->stretches);
	while (code == QCOW2BM_OK && end-- > 0)
		code = put_back(run, end, &entry_end, &cause);
	if (code == QCOW2BM_OK)
		code = put_back_length(run, &cause);
	if (code == QCOW2BM_OK)
		return QCOW2BM_OK;
	q2_fail(err, QCOW2BM_EUNKNOWN, cause.offset,
		"%.300s; the image is part of the way back, in a state that the edit could have left: run the same undo again",
		cause.sentence);
	return QCOW2BM_EUNKNOWN;
}

/* NULL when there is no memory. */
static struct run *begin(const struct q2_undo *undo, struct q2_storage *image,
			 struct qcow2bm_error *err)
{
	struct run *run = calloc(1, sizeof(*run));
	if (run == NULL) {
		q2_fail_memory(err, "an undo file");
		return NULL;
	}
	run->undo = undo;
	run->image = image;
	return run;
}

enum qcow2bm_code q2_undo_look(const struct q2_undo *undo, struct q2_storage *image,
			       unsigned flags, struct q2_undo_position *position,
			       struct qcow2bm_error *err)
{
	struct run *run = begin(undo, image, err);
	if (run == NULL)
		return QCOW2BM_ENOMEM;
	run->flags = flags;
	enum qcow2bm_code code = q2_storage_length(image, &run->length, err);
	if (code == QCOW2BM_OK)
		code = check_identity(run, err);
	if (code == QCOW2BM_OK)
		code = check_length(run, err);
	if (code == QCOW2BM_OK)
		code = check_position(run, position, err);
	free(run);
	return code;
}

enum qcow2bm_code q2_undo_restore(const struct q2_undo *undo, struct q2_storage *image,
				  const struct q2_undo_position *position,
				  struct qcow2bm_undo_result *result,
				  struct qcow2bm_error *err)
{
	struct run *run = begin(undo, image, err);
	if (run == NULL)
		return QCOW2BM_ENOMEM;
	run->result = result;
	run->rewrites = position->is_original;
	enum qcow2bm_code code = restore(run, position, err);
	/* Those were back before. */
	if (run->rewrites)
		result->restored_bytes = 0;
	free(run);
	return code;
}
