/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit in memory that was noted in an undo file, and the undoing of it. */
#include "undone_edit.h"

#include "edit/journal.h"
#include "undo/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Over the image's recorder: notes how far the undo file was. */
struct clock {
	struct q2_storage storage;
	struct q2_storage *below;
	struct undone_edit *edit;
};

static struct clock *clock_of(struct q2_storage *storage)
{
	return (struct clock *)(void *)storage;
}

static void tick(struct q2_storage *storage)
{
	struct undone_edit *edit = clock_of(storage)->edit;
	size_t count = edit->log.count;
	edit->undo_counts = realloc(edit->undo_counts, (count + 1) * sizeof(size_t));
	if (edit->undo_counts == NULL)
		abort();
	edit->undo_counts[count] = edit->undo_log.count;
}

static enum qcow2bm_code clock_read(struct q2_storage *storage, void *buf, size_t bytes,
				    uint64_t off, struct qcow2bm_error *err)
{
	return q2_storage_read(clock_of(storage)->below, buf, bytes, off, err);
}

static enum qcow2bm_code clock_write(struct q2_storage *storage, const void *buf,
				     size_t bytes, uint64_t off,
				     struct qcow2bm_error *err)
{
	tick(storage);
	return q2_storage_write(clock_of(storage)->below, buf, bytes, off, err);
}

static enum qcow2bm_code clock_sync(struct q2_storage *storage, struct qcow2bm_error *err)
{
	tick(storage);
	return q2_storage_sync(clock_of(storage)->below, err);
}

static enum qcow2bm_code clock_resize(struct q2_storage *storage, uint64_t bytes,
				      struct qcow2bm_error *err)
{
	tick(storage);
	return q2_storage_resize(clock_of(storage)->below, bytes, err);
}

static enum qcow2bm_code clock_discard(struct q2_storage *storage, uint64_t off,
				       uint64_t bytes, struct qcow2bm_error *err)
{
	tick(storage);
	return q2_storage_discard(clock_of(storage)->below, off, bytes, err);
}

static enum qcow2bm_code clock_length(struct q2_storage *storage, uint64_t *bytes,
				      struct qcow2bm_error *err)
{
	return q2_storage_length(clock_of(storage)->below, bytes, err);
}

static void clock_stamp(struct q2_storage *storage, bool settle, struct q2_stamp *stamp)
{
	q2_storage_stamp(clock_of(storage)->below, settle, stamp);
}

static void clock_close(struct q2_storage *storage)
{
	q2_storage_close(clock_of(storage)->below);
	free(storage);
}

static const struct q2_storage_ops clock_ops = {
	.read = clock_read,
	.write = clock_write,
	.sync = clock_sync,
	.resize = clock_resize,
	.discard = clock_discard,
	.length = clock_length,
	.stamp = clock_stamp,
	.close = clock_close,
};

static struct q2_storage *clock_open(struct q2_storage *below, struct undone_edit *edit)
{
	struct clock *clock = calloc(1, sizeof(*clock));
	if (clock == NULL)
		abort();
	clock->storage = *below;
	clock->storage.ops = &clock_ops;
	clock->below = below;
	clock->edit = edit;
	return &clock->storage;
}

/* The journal's close, for an edit that ends well. */
static void end_and_close(struct q2_storage *storage)
{
	struct q2_storage *inner;
	if (q2_journal_end(storage, &inner, NULL) != QCOW2BM_OK)
		abort();
	q2_storage_close(inner);
}

bool undone_edit_run(struct undone_edit *edit, const struct edit_case *edit_case,
		     bool ends)
{
	struct qcow2bm_result result;
	struct q2_storage *journal;
	memset(edit, 0, sizeof(*edit));
	if (!edit_case_image(edit_case->image, &edit->image))
		return false;
	struct q2_storage *inner = clock_open(
		record_storage_open(memory_storage_open(&edit->image), &edit->log), edit);
	struct q2_storage *undo =
		record_storage_open(memory_storage_open(&edit->undo), &edit->undo_log);
	if (q2_journal_open_over(&journal, inner, undo, &edit->err) != QCOW2BM_OK) {
		q2_storage_close(inner);
		return false;
	}
	if (q2_journal_keep_structures(journal, &edit->err) != QCOW2BM_OK) {
		q2_storage_close(journal);
		return false;
	}
	struct q2_storage_ops ops = *journal->ops;
	if (ends) {
		ops.close = end_and_close;
		journal->ops = &ops;
	}
	edit->code = edit_case_run(journal, edit_case->edit, NULL, &result, &edit->err);
	return true;
}

void undone_edit_free(struct undone_edit *edit)
{
	memory_file_free(&edit->image);
	memory_file_free(&edit->undo);
	record_log_free(&edit->log);
	record_log_free(&edit->undo_log);
	free(edit->undo_counts);
}

enum qcow2bm_code undone_edit_undo(struct memory_file *image, struct memory_file *undo,
				   unsigned flags, struct qcow2bm_undo_result *result,
				   struct record_log *log, struct qcow2bm_error *err)
{
	struct q2_storage *below = memory_storage_open(image);
	struct q2_storage *storage = memory_storage_open(undo);
	if (log != NULL)
		below = record_storage_open(below, log);
	enum qcow2bm_code code = q2_undo_run(below, storage, flags, result, err);
	q2_storage_close(below);
	q2_storage_close(storage);
	return code;
}

bool undone_edit_same(const struct memory_file *a, const struct memory_file *b)
{
	return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static struct qcow2bm_image *must_open(struct memory_file *file)
{
	struct qcow2bm_image *image;
	if (q2_image_open_damaged(&image, memory_storage_open(file), NULL) != QCOW2BM_OK)
		abort();
	return image;
}

void undone_edit_mark(struct memory_file *file)
{
	struct qcow2bm_image *image = must_open(file);
	for (size_t i = 0; i < image->directory.count; i++)
		file->bytes[image->directory.bitmaps[i].off + Q2_DIRECTORY_FLAGS_OFF +
			    3] |= Q2_DIRECTORY_FLAG_IN_USE;
	qcow2bm_image_close(image);
}

bool undone_edit_same_directory(struct memory_file *a, struct memory_file *b)
{
	struct qcow2bm_image *x = must_open(a), *y = must_open(b);
	bool same = x->directory.off == y->directory.off &&
		    x->directory.size == y->directory.size &&
		    x->has_bitmaps_extension == y->has_bitmaps_extension &&
		    x->header.autoclear_features == y->header.autoclear_features;
	qcow2bm_image_close(x);
	qcow2bm_image_close(y);
	return same;
}

bool undone_edit_has_valid(struct memory_file *file)
{
	struct qcow2bm_image *image = must_open(file);
	bool has = false;
	for (size_t i = 0; i < image->directory.count; i++)
		has |= !(image->directory.bitmaps[i].entry.flags &
			 Q2_DIRECTORY_FLAG_IN_USE);
	qcow2bm_image_close(image);
	return has;
}

bool undone_edit_put_back(struct memory_file *image, struct memory_file *undo,
			  const struct memory_file *before, bool *was_marked,
			  struct qcow2bm_error *err)
{
	struct memory_file old = {0};
	struct qcow2bm_undo_result result;
	memory_file_fill(&old, before->bytes, before->length);
	bool may_revive =
		undone_edit_same_directory(image, &old) || !undone_edit_has_valid(&old);
	enum qcow2bm_code code = undone_edit_undo(image, undo, 0, &result, NULL, err);
	bool is_right = code != QCOW2BM_OK || result.proven || may_revive;
	*was_marked = code == QCOW2BM_EINVAL;
	if (*was_marked) {
		*err = (struct qcow2bm_error){0};
		code = undone_edit_undo(image, undo, QCOW2BM_UNDO_IN_USE, &result, NULL,
					err);
	}
	/* An undo that was cut off may have set the marks before. */
	if (*was_marked || !undone_edit_same(image, &old))
		undone_edit_mark(&old);
	if (code == QCOW2BM_OK && !is_right)
		snprintf(err->sentence, sizeof(err->sentence),
			 "a bitmap came back unproven");
	else if (code == QCOW2BM_OK && !undone_edit_same(image, &old))
		snprintf(err->sentence, sizeof(err->sentence),
			 "the image is another one than before%s",
			 *was_marked ? ", marks aside" : "");
	bool done = code == QCOW2BM_OK && is_right && undone_edit_same(image, &old);
	memory_file_free(&old);
	return done;
}
