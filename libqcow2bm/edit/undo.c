/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Undoing an edit: what it changed comes back, and no bitmap with it that missed a write. */
#include "undo.h"

#include "../base/error.h"
#include "../base/options.h"
#include "../storage/stamp.h"
#include "../undo/kept.h"
#include "../undo/view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct undoing {
	struct q2_undo undo;
	struct q2_storage *image;
	unsigned flags;
	struct q2_undo_images images; /* before and now: NULL when unreadable */
	struct qcow2bm_error unreadable;
	uint64_t *marks;
	size_t mark_count;
	struct q2_undo_position position;
	struct qcow2bm_undo_result *result;
	const char
		*doubt; /* why it is not proven that nothing has written since; or NULL */
};

/* ---- The image as it was, and as it is ------------------------------------------------- */

static enum qcow2bm_code open_window(struct undoing *undoing, const struct q2_undo *undo,
				     struct qcow2bm_image **image,
				     struct qcow2bm_error *err)
{
	struct q2_storage *window;
	struct qcow2bm_error cause = {.code = QCOW2BM_OK};
	enum qcow2bm_code code = q2_undo_view_open(&window, undo, undoing->image, &cause);
	if (code == QCOW2BM_OK)
		code = q2_image_open_damaged(image, window, &cause);
	if (code == QCOW2BM_OK)
		return QCOW2BM_OK;
	*image = NULL;
	if (code == QCOW2BM_ENOMEM || code == QCOW2BM_ESYSTEM)
		return q2_pass(err, &cause);
	if (undoing->unreadable.code == QCOW2BM_OK)
		undoing->unreadable = cause;
	return QCOW2BM_OK;
}

static int compare_places(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return (a > b) - (a < b);
}

/* Where the in-use flags of the old directory's entries stand. */
static enum qcow2bm_code find_marks(struct undoing *undoing, struct qcow2bm_error *err)
{
	const struct q2_directory *directory;
	if (undoing->images.before == NULL)
		return QCOW2BM_OK;
	directory = &undoing->images.before->directory;
	undoing->marks = calloc(directory->count + 1, sizeof(*undoing->marks));
	if (undoing->marks == NULL)
		return q2_fail_memory(err, "the bitmap directory");
	for (size_t i = 0; i < directory->count; i++)
		undoing->marks[i] =
			directory->bitmaps[i].off + Q2_DIRECTORY_FLAGS_OFF + 3;
	undoing->mark_count = directory->count;
	qsort(undoing->marks, undoing->mark_count, sizeof(*undoing->marks),
	      compare_places);
	undoing->undo.marks = undoing->marks;
	undoing->undo.mark_count = undoing->mark_count;
	return QCOW2BM_OK;
}

static enum qcow2bm_code open_both(struct undoing *undoing, struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		open_window(undoing, &undoing->undo, &undoing->images.before, err);
	if (code == QCOW2BM_OK)
		code = open_window(undoing, NULL, &undoing->images.now, err);
	return code == QCOW2BM_OK ? find_marks(undoing, err) : code;
}

/* ---- What must be proven ---------------------------------------------------------------- */

/* Nothing tells that file's name but the image, which names whatever it likes: it is not opened. */
static bool has_data_file(const struct q2_undo_images *images)
{
	return (images->before != NULL && q2_image_has_data_file(images->before)) ||
	       (images->now != NULL && q2_image_has_data_file(images->now));
}

/* Why nobody can know that nothing has written to the image since; NULL when it is known. */
static const char *find_doubt(const struct undoing *undoing)
{
	const struct q2_stamp *then = &undoing->undo.end_stamp;
	struct q2_stamp now;
	q2_storage_stamp(undoing->image, false, &now);
	if (!undoing->undo.has_end)
		return "the edit was interrupted, and nothing tells what came after";
	if (has_data_file(&undoing->images))
		return "the guest writes to an external data file, and the image does not tell when";
	if (!now.is_known)
		return now.why_unknown;
	if (!then->is_known)
		return "the undo file does not tell when the edit ended";
	if (now.boot != then->boot)
		return "the system was started anew, and a crash can lose the time of a write";
	if (now.device != then->device || now.inode != then->inode)
		return "it is another file than the one that was edited, a copy perhaps";
	if (!q2_stamp_is_same(&now, then))
		return "the file was written to, renamed or touched after the edit";
	if (undoing->images.altered.count != 0)
		return "clusters that the edit freed hold other bytes now";
	return undoing->position.forced ? "sectors are others than the edit knows" : NULL;
}

static bool is_same_directory(const struct qcow2bm_image *a,
			      const struct qcow2bm_image *b)
{
	const struct q2_directory *x = &a->directory, *y = &b->directory;
	return a->has_bitmaps_extension == b->has_bitmaps_extension &&
	       a->header.autoclear_features == b->header.autoclear_features &&
	       x->off == y->off && x->size == y->size && x->count == y->count &&
	       (x->size == 0 || memcmp(x->bytes, y->bytes, x->size) == 0);
}

/* Whether bitmaps would be trusted that the image, as it is now, does not have: as long as it has
 * them, QEMU keeps them true. */
static bool revives_bitmaps(const struct undoing *undoing)
{
	const struct qcow2bm_image *before = undoing->images.before;
	bool has_end = undoing->undo.has_end &&
		       undoing->position.stretch == undoing->undo.stretches;
	if (before == NULL)
		return true;
	if (!has_end && undoing->images.now != NULL &&
	    is_same_directory(before, undoing->images.now))
		return false;
	for (size_t i = 0; i < before->directory.count; i++)
		if (!(before->directory.bitmaps[i].entry.flags &
		      Q2_DIRECTORY_FLAG_IN_USE))
			return true;
	return false;
}

static enum qcow2bm_code check_room(struct undoing *undoing, struct qcow2bm_error *err)
{
	if (undoing->images.before == NULL || undoing->images.now == NULL)
		return q2_fail_for(
			err, QCOW2BM_EINVAL, &undoing->unreadable,
			"cannot prove that what the old bitmaps occupied is still free: %.300s",
			undoing->unreadable.sentence);
	return q2_undo_check_room(&undoing->images, err);
}

/* Refuses what would make a bitmap falsely clean, or write over what is somebody's now. */
static enum qcow2bm_code decide(struct undoing *undoing, struct qcow2bm_error *err)
{
	bool marks = (undoing->flags & QCOW2BM_UNDO_IN_USE) != 0;
	enum qcow2bm_code code = q2_undo_find_altered(&undoing->undo, undoing->image,
						      &undoing->images.altered, err);
	if (code != QCOW2BM_OK)
		return code;
	undoing->doubt = find_doubt(undoing);
	undoing->result->proven = undoing->doubt == NULL;
	if (undoing->doubt != NULL)
		code = check_room(undoing, err);
	if (code == QCOW2BM_OK && undoing->doubt != NULL && !marks &&
	    revives_bitmaps(undoing))
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the guest may have written since, and the bitmaps that come back would not know: %s; undo --in-use puts them back marked as in use, so that nobody trusts them",
			undoing->doubt);
	if (!marks)
		undoing->undo.mark_count = 0;
	undoing->result->marked_bitmaps = undoing->undo.mark_count;
	return code;
}

/* What the edit let go is compared too: a program that wrote other bitmaps since may have left all
 * that the edit wrote as it was before. */
static enum qcow2bm_code check_nothing(struct undoing *undoing, struct qcow2bm_error *err)
{
	struct q2_spans *altered = &undoing->images.altered;
	enum qcow2bm_code code =
		q2_undo_find_altered(&undoing->undo, undoing->image, altered, err);
	if (code != QCOW2BM_OK || altered->count == 0)
		return code;
	uint64_t off = altered->items[0].first * Q2_UNDO_SECTOR_BYTES;
	return q2_fail(
		err, QCOW2BM_EINVAL, off,
		"something else has written since: what the edit changed is as it was before, but the sector at byte %" PRIu64
		", which the edit freed, is another",
		off);
}

/* ---- All of it -------------------------------------------------------------------------- */

/* Finds where between before and after the image stands, and puts back the rest. */
static enum qcow2bm_code undo_edit(struct undoing *undoing, struct qcow2bm_error *err)
{
	struct qcow2bm_undo_result *result = undoing->result;
	enum qcow2bm_code code = open_both(undoing, err);
	if (code == QCOW2BM_OK)
		code = q2_undo_look(&undoing->undo, undoing->image, undoing->flags,
				    &undoing->position, err);
	q2_storage_unwatch(undoing->image);
	if (code != QCOW2BM_OK)
		return code;
	result->was_interrupted = !undoing->undo.has_end;
	result->nothing = undoing->position.is_original;
	result->forced = undoing->position.forced;
	result->file_bytes = undoing->undo.header.length_bytes;
	bool is_dry = (undoing->flags & QCOW2BM_UNDO_DRY_RUN) != 0;
	code = result->nothing ? check_nothing(undoing, err) : decide(undoing, err);
	if (code != QCOW2BM_OK || is_dry)
		return code;
	/* An undo that was killed, or whose sync failed, may have left it in the page cache alone:
	 * from the end on it is written again. */
	if (result->nothing)
		undoing->position.stretch = undoing->undo.stretches;
	code = q2_undo_restore(&undoing->undo, undoing->image, &undoing->position, result,
			       err);
	if (code != QCOW2BM_OK || result->syncs != 0)
		return code;
	result->syncs++;
	return q2_storage_sync(undoing->image, err);
}

enum qcow2bm_code q2_undo_run(struct q2_storage *image, struct q2_storage *file,
			      unsigned flags, struct qcow2bm_undo_result *result,
			      struct qcow2bm_error *err)
{
	struct qcow2bm_undo_result unwanted;
	struct undoing undoing = {.image = image,
				  .flags = flags,
				  .result = result == NULL ? &unwanted : result};
	memset(undoing.result, 0, sizeof(*undoing.result));
	enum qcow2bm_code code = q2_undo_load(&undoing.undo, file, err);
	if (code != QCOW2BM_OK)
		return code;
	undoing.images.undo = &undoing.undo;
	code = undo_edit(&undoing, err);
	qcow2bm_image_close(undoing.images.before);
	qcow2bm_image_close(undoing.images.now);
	q2_spans_free(&undoing.images.altered);
	q2_undo_free(&undoing.undo);
	free(undoing.marks);
	return code;
}

#define UNDO_FLAGS                                                          \
	(QCOW2BM_UNDO_DRY_RUN | QCOW2BM_UNDO_NO_LOCK | QCOW2BM_UNDO_FORCE | \
	 QCOW2BM_UNDO_IN_USE)

enum qcow2bm_code qcow2bm_undo_apply(const char *filename, const char *undo_filename,
				     unsigned flags, unsigned wait_seconds,
				     qcow2bm_undo_fn *fn, void *opaque,
				     const struct qcow2bm_watch *watch,
				     struct qcow2bm_error *err)
{
	struct q2_storage *image, *undo;
	struct qcow2bm_undo_result result;
	struct q2_watch own;
	unsigned image_flags = (flags & QCOW2BM_UNDO_DRY_RUN ? 0u : Q2_STORAGE_WRITE) |
			       (flags & QCOW2BM_UNDO_NO_LOCK ? Q2_STORAGE_NO_LOCK : 0u);
	struct qcow2bm_error cause = {.code = QCOW2BM_OK};
	enum qcow2bm_code code =
		q2_watch_begin(&own, watch, "the image is as it was", err);
	if (code == QCOW2BM_OK)
		code = q2_options_check(flags, UNDO_FLAGS, "undo", err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_file_open(&undo, undo_filename, Q2_STORAGE_NO_LOCK, 0, NULL, &cause);
	if (code != QCOW2BM_OK) {
		return q2_fail_for(err, code, &cause, "the undo file '%.200s': %.200s",
				   undo_filename, cause.sentence);
	}
	code = q2_file_open(&image, filename, image_flags, wait_seconds, &own, err);
	if (code == QCOW2BM_OK) {
		image->watch = &own;
		code = q2_undo_run(image, undo, flags, &result, err);
		q2_storage_close(image);
	}
	q2_storage_close(undo);
	if (code == QCOW2BM_OK && fn != NULL)
		fn(opaque, &result);
	return code;
}
