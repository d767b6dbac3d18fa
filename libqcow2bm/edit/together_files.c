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
#include "resume.h"
#include "together.h"

/* ---- Trust ----------------------------------------------------------------------------- */

/* An intent file with other files has any bytes written to any path, of any owner: nobody else may have said that. */
static enum qcow2bm_code check_trust(const struct stat *st, struct qcow2bm_error *err)
{
	if (st->st_uid != geteuid())
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the intent file has other files besides images, and belongs to user %lu, not to %lu who runs this: only its owner is obeyed",
			(unsigned long)st->st_uid, (unsigned long)geteuid());
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the intent file has other files besides images, and its mode %03o lets others write it: it is not obeyed",
			(unsigned)(st->st_mode & 0777));
	return QCOW2BM_OK;
}

/* ---- Commit ---------------------------------------------------------------------------- */

static enum qcow2bm_code fail_exists(const char *path, struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {.sys_errno = EEXIST, .offset = QCOW2BM_NO_OFFSET};
	return q2_fail_for(
		err, QCOW2BM_ESYSTEM, &cause,
		"'%.300s' is there: an edit of several images was cut off; chain resume finishes it, or takes it back",
		path);
}

static enum qcow2bm_code create(void *opaque, struct q2_storage **file,
				struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {0};
	enum qcow2bm_code code = q2_file_create(file, opaque, &cause);
	if (code == QCOW2BM_ESYSTEM && cause.sys_errno == EEXIST)
		return fail_exists(opaque, err);
	return code == QCOW2BM_OK ? code : q2_pass(err, &cause);
}

/* Refuses where the file system gives the file to somebody else: resume would not obey it. */
static enum qcow2bm_code create_trusted(void *opaque, struct q2_storage **file,
					struct qcow2bm_error *err)
{
	struct stat st;
	enum qcow2bm_code code = create(opaque, file, err);
	if (code != QCOW2BM_OK)
		return code;
	code = lstat(opaque, &st) == 0
		       ? check_trust(&st, err)
		       : q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET,
				       "cannot look at '%.300s'", (const char *)opaque);
	if (code == QCOW2BM_OK)
		return code;
	q2_storage_close(*file);
	(void)q2_file_remove(opaque, NULL);
	return code;
}

static enum qcow2bm_code discard(void *opaque, struct qcow2bm_error *err)
{
	return q2_file_remove(opaque, err);
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

static char *make_path(const char *filename)
{
	static const char format[] = "%.*s.%s.qcow2bm-intent";
	const char *slash = strrchr(filename, '/');
	const char *name = slash == NULL ? filename : slash + 1;
	size_t room = strlen(filename) + sizeof(format);
	char *path = malloc(room);
	if (path != NULL)
		snprintf(path, room, format, (int)(name - filename), filename, name);
	return path;
}

enum qcow2bm_code qcow2bm_together_check(const char *filename, struct qcow2bm_error *err)
{
	struct stat st;
	char *path = make_path(filename);
	if (path == NULL)
		return q2_fail_memory(err, "a file's name");
	enum qcow2bm_code code =
		lstat(path, &st) == 0 ? fail_exists(path, err) : QCOW2BM_OK;
	free(path);
	return code;
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
	path = intent_path == NULL ? make_path(edits[0].filename) : strdup(intent_path);
	if (path == NULL)
		return q2_fail_memory(err, "a file's name");
	struct q2_intent_place place = {path, path,
					known.file_count == 0 ? create : create_trusted,
					discard, resolve};
	struct q2_together together = {.edits = edits,
				       .count = count,
				       .options = options,
				       .results = results,
				       .watch = watch,
				       .place = &place,
				       .files = known.files,
				       .file_count = known.file_count};
	code = q2_together_commit(&together, err);
	if (failed != NULL)
		*failed = together.failed;
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

/* Reads an open intent file, and obeys one with other files only if it is the caller's own. */
static enum qcow2bm_code load_fd(int fd, struct q2_intent *intent, bool *is_whole,
				 struct qcow2bm_error *err)
{
	struct q2_storage *file;
	struct stat st;
	enum qcow2bm_code code =
		q2_file_borrow(&file, fd, Q2_STORAGE_NO_LOCK, 0, NULL, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_intent_load(intent, file, is_whole, err);
	if (code == QCOW2BM_OK && intent->file_count != 0)
		code = fstat(fd, &st) == 0
			       ? check_trust(&st, err)
			       : q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET,
					       "cannot look at the intent file");
	q2_storage_close(file);
	return code;
}

/* A link is not followed: whoever made it would choose which of the caller's intent files is obeyed. */
static enum qcow2bm_code load(const char *path, struct q2_intent *intent, bool *is_whole,
			      struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {0};
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET, "cannot open");
	enum qcow2bm_code code = load_fd(fd, intent, is_whole, &cause);
	close(fd);
	return code == QCOW2BM_OK ? code : q2_pass(err, &cause);
}

#define RESUME_FLAGS (QCOW2BM_RESUME_DRY_RUN | QCOW2BM_RESUME_NO_LOCK)

enum qcow2bm_code qcow2bm_together_resume(const char *intent_path, unsigned flags,
					  unsigned wait_seconds, qcow2bm_resume_fn *fn,
					  void *opaque, const struct qcow2bm_watch *watch,
					  struct qcow2bm_error *err)
{
	struct resuming resuming = {.flags = flags, .wait_seconds = wait_seconds};
	bool is_whole = false;
	enum qcow2bm_code code = q2_watch_begin(&resuming.watch, watch,
						"the images are as they were", err);
	if (code == QCOW2BM_OK)
		code = q2_options_check(flags, RESUME_FLAGS, "resume", err);
	if (code == QCOW2BM_OK)
		code = load(intent_path, &resuming.intent, &is_whole, err);
	if (code == QCOW2BM_OK && !is_whole)
		resuming.result.outcome = QCOW2BM_RESUME_NOT_BEGUN;
	else if (code == QCOW2BM_OK)
		code = resume_images(&resuming, err);
	if (code == QCOW2BM_OK && fn != NULL)
		fn(opaque, &resuming.result);
	/* While the images are locked: nobody begins another one meanwhile. */
	if (code == QCOW2BM_OK && !(flags & QCOW2BM_RESUME_DRY_RUN))
		code = q2_file_remove(intent_path, err);
	q2_resume_close(&resuming.resume);
	q2_intent_free(&resuming.intent);
	free(resuming.images);
	return code;
}
