/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits of several images as one, where the intent file and the images are files. */
#define _XOPEN_SOURCE 700 /* realpath() */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/options.h"
#include "intent_file.h"
#include "resume.h"
#include "together.h"

/* ---- Commit ---------------------------------------------------------------------------- */

static enum qcow2bm_code create(void *opaque, struct q2_storage **file,
				struct qcow2bm_error *err)
{
	return q2_intent_file_create(opaque, file, err);
}

static enum qcow2bm_code discard(void *opaque, struct qcow2bm_error *err)
{
	const struct q2_intent_file_held *held = opaque;
	return q2_file_remove(held->path, err);
}

static enum qcow2bm_code resolve(void *opaque, const char *filename, char **path,
				 struct qcow2bm_error *err)
{
	(void)opaque;
	*path = realpath(filename, NULL);
	if (*path == NULL)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET,
				     "cannot find the place of the image");
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_together_check(const char *filename, struct qcow2bm_error *err)
{
	struct stat st;
	char *path = q2_intent_file_path(filename);
	if (path == NULL)
		return q2_fail_memory(err, "a file's name");
	enum qcow2bm_code code = lstat(path, &st) == 0
					 ? q2_intent_file_fail_exists(path, err)
					 : QCOW2BM_OK;
	free(path);
	return code;
}

/* Tells `fn` of the file that is held. */
static enum qcow2bm_code tell(const struct q2_intent_file_held *held,
			      qcow2bm_cut_off_fn *fn, void *opaque,
			      struct qcow2bm_error *err)
{
	struct q2_intent intent;
	struct qcow2bm_cut_off cut_off = {.intent_path = held->path};
	enum qcow2bm_code code =
		q2_intent_file_load(held, &intent, &cut_off.is_begun, true, err);
	if (code != QCOW2BM_OK)
		return code;
	const char **filenames = calloc(intent.count + 1, sizeof(*filenames));
	if (filenames == NULL) {
		q2_intent_free(&intent);
		return q2_fail_memory(err, "the names of images");
	}
	for (size_t i = 0; i < intent.count; i++)
		filenames[i] = intent.images[i].path;
	cut_off.filenames = filenames;
	cut_off.filename_count = intent.count;
	if (intent.note_bytes != 0) {
		cut_off.note = intent.note;
		cut_off.note_bytes = intent.note_bytes;
	}
	fn(opaque, &cut_off);
	free(filenames);
	q2_intent_free(&intent);
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_together_look(const char *filename, const char *intent_path,
					qcow2bm_cut_off_fn *fn, void *opaque,
					struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {0};
	char *path =
		intent_path == NULL ? q2_intent_file_path(filename) : strdup(intent_path);
	if (path == NULL)
		return q2_fail_memory(err, "a file's name");
	struct q2_intent_file_held held = {.path = path, .fd = -1};
	enum qcow2bm_code code = q2_intent_file_hold(&held, &cause);
	if (code == QCOW2BM_OK)
		code = tell(&held, fn, opaque, &cause);
	q2_intent_file_let_go(&held);
	free(path);
	if (code == QCOW2BM_ESYSTEM && cause.sys_errno == ENOENT)
		return QCOW2BM_OK;
	return code == QCOW2BM_OK ? code : q2_pass(err, &cause);
}

enum qcow2bm_code qcow2bm_together_commit(const struct qcow2bm_together_edit *edits,
					  size_t count, const char *intent_path,
					  const struct qcow2bm_commit_options *options,
					  const struct qcow2bm_result **results,
					  size_t *failed,
					  const struct qcow2bm_watch *watch,
					  struct qcow2bm_error *err)
{
	static const struct qcow2bm_result nothing;
	char *path;
	if (failed != NULL)
		*failed = SIZE_MAX;
	struct qcow2bm_commit_options known = QCOW2BM_COMMIT_OPTIONS_INIT;
	enum qcow2bm_code code =
		q2_options_take(&known, sizeof(known), options, "commit options", err);
	if (code != QCOW2BM_OK || (count == 0 && known.file_count == 0))
		return code;
	if (known.note_bytes > QCOW2BM_MAX_NOTE_BYTES)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "a note has up to %u bytes", QCOW2BM_MAX_NOTE_BYTES);
	if (count == 0 && intent_path == NULL)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "without an image the intent file needs a path");
	for (size_t i = 0; results != NULL && i < count; i++)
		results[i] = &nothing;
	for (size_t i = 0; i < count; i++) {
		enum qcow2bm_code found = qcow2bm_together_check(edits[i].filename, err);
		if (found != QCOW2BM_OK)
			return found;
	}
	path = intent_path == NULL ? q2_intent_file_path(edits[0].filename)
				   : strdup(intent_path);
	if (path == NULL)
		return q2_fail_memory(err, "a file's name");
	struct q2_intent_file_held held = {
		.path = path, .fd = -1, .is_trusted = known.file_count != 0};
	struct q2_intent_place place = {path, &held, create, discard, resolve};
	struct q2_together together = {.edits = edits,
				       .count = count,
				       .options = options,
				       .results = results,
				       .watch = watch,
				       .place = &place,
				       .files = known.files,
				       .file_count = known.file_count,
				       .note = known.note,
				       .note_bytes = known.note_bytes};
	code = q2_together_commit(&together, err);
	if (failed != NULL)
		*failed = together.failed;
	q2_intent_file_let_go(&held);
	free(path);
	return code;
}

/* ---- Resume ---------------------------------------------------------------------------- */

struct resuming {
	unsigned flags;
	unsigned wait_seconds;
	struct q2_watch watch;
	struct q2_intent intent;
	struct q2_resume resume;
	struct qcow2bm_resume_image *images; /* to be told of */
	struct qcow2bm_resume_result result;
};

/* All of them, or none: their locks come before anything else. */
static enum qcow2bm_code open_storages(struct resuming *resuming,
				       struct q2_storage **storages,
				       struct qcow2bm_error *err)
{
	const struct q2_intent *intent = &resuming->intent;
	unsigned flags =
		(resuming->flags & QCOW2BM_RESUME_DRY_RUN ? 0u : Q2_STORAGE_WRITE) |
		(resuming->flags & QCOW2BM_RESUME_NO_LOCK ? Q2_STORAGE_NO_LOCK : 0u);
	struct qcow2bm_error cause = {0};
	for (size_t i = 0; i < intent->count; i++) {
		enum qcow2bm_code code =
			q2_file_open(&storages[i], intent->images[i].path, flags,
				     resuming->wait_seconds, &resuming->watch, &cause);
		if (code == QCOW2BM_OK)
			continue;
		for (size_t k = 0; k < i; k++)
			q2_storage_close(storages[k]);
		return q2_fail_for(err, code, &cause, "'%.200s': %.200s",
				   intent->images[i].path, cause.sentence);
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code open_images(struct resuming *resuming, struct qcow2bm_error *err)
{
	const struct q2_intent *intent = &resuming->intent;
	struct q2_storage **storages = calloc(intent->count + 1, sizeof(*storages));
	resuming->images =
		calloc(intent->count + intent->file_count, sizeof(*resuming->images));
	enum qcow2bm_code code = storages == NULL || resuming->images == NULL
					 ? q2_fail_memory(err, "the images")
					 : open_storages(resuming, storages, err);
	if (code == QCOW2BM_OK)
		code = q2_resume_open(&resuming->resume, &resuming->intent, storages,
				      &resuming->watch, err);
	free(storages);
	if (code != QCOW2BM_OK)
		return code;
	for (size_t i = 0; i < intent->count; i++)
		resuming->images[i] = (struct qcow2bm_resume_image){
			intent->images[i].path, resuming->resume.images[i].held};
	for (size_t i = 0; i < intent->file_count; i++)
		resuming->images[intent->count + i] = (struct qcow2bm_resume_image){
			intent->files[i].path, resuming->resume.files[i]};
	resuming->result.images = resuming->images;
	resuming->result.count = intent->count + intent->file_count;
	return QCOW2BM_OK;
}

static enum qcow2bm_code resume_images(struct resuming *resuming,
				       struct qcow2bm_error *err)
{
	struct qcow2bm_resume_result *result = &resuming->result;
	enum qcow2bm_code code = open_images(resuming, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_resume_decide(&resuming->resume, &result->outcome, err);
	if (code == QCOW2BM_OK && !(resuming->flags & QCOW2BM_RESUME_DRY_RUN))
		code = q2_resume_do(&resuming->resume, result->outcome, err);
	result->leaked_clusters = resuming->resume.leaked_clusters;
	result->syncs = resuming->resume.syncs;
	return code;
}

#define RESUME_FLAGS \
	(QCOW2BM_RESUME_DRY_RUN | QCOW2BM_RESUME_NO_LOCK | QCOW2BM_RESUME_OWN)

enum qcow2bm_code qcow2bm_together_resume(const char *intent_path, unsigned flags,
					  unsigned wait_seconds, qcow2bm_resume_fn *fn,
					  void *opaque, const struct qcow2bm_watch *watch,
					  struct qcow2bm_error *err)
{
	struct resuming resuming = {.flags = flags, .wait_seconds = wait_seconds};
	struct q2_intent_file_held held = {.path = intent_path, .fd = -1};
	bool is_whole = false;
	enum qcow2bm_code code = q2_watch_begin(&resuming.watch, watch,
						"the images are as they were", err);
	if (code == QCOW2BM_OK)
		code = q2_options_check(flags, RESUME_FLAGS, "resume", err);
	if (code == QCOW2BM_OK)
		code = q2_intent_file_hold(&held, err);
	if (code == QCOW2BM_OK)
		code = q2_intent_file_load(&held, &resuming.intent, &is_whole,
					   (flags & QCOW2BM_RESUME_OWN) != 0, err);
	if (code == QCOW2BM_OK && !is_whole)
		resuming.result.outcome = QCOW2BM_RESUME_NOT_BEGUN;
	else if (code == QCOW2BM_OK)
		code = resume_images(&resuming, err);
	if (code == QCOW2BM_OK && fn != NULL)
		fn(opaque, &resuming.result);
	/* While it and the images are held: nobody begins another one meanwhile. */
	if (code == QCOW2BM_OK && !(flags & QCOW2BM_RESUME_DRY_RUN))
		code = q2_file_remove(intent_path, err);
	q2_resume_close(&resuming.resume);
	q2_intent_file_let_go(&held);
	q2_intent_free(&resuming.intent);
	free(resuming.images);
	return code;
}
