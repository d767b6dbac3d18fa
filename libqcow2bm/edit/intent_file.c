/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The intent file: stored, loaded, and in its folder. */
#define _GNU_SOURCE /* flock() */
#include "intent_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"
#include "../storage/storage.h"

/* ---- Store, load ----------------------------------------------------------------------- */

enum qcow2bm_code q2_intent_load(struct q2_intent *intent, struct q2_storage *file,
				 bool *is_whole, struct qcow2bm_error *err)
{
	uint64_t size;
	*intent = (struct q2_intent){0};
	enum qcow2bm_code code = q2_storage_length(file, &size, err);
	if (code != QCOW2BM_OK)
		return code;
	if (size > Q2_INTENT_MAX_BYTES)
		return q2_fail(err, QCOW2BM_ELIMIT, QCOW2BM_NO_OFFSET,
			       "the file is longer than an intent file can be");
	uint8_t *bytes = malloc((size_t)size + 1);
	if (bytes == NULL)
		return q2_fail_memory(err, "the intent file");
	code = size == 0 ? QCOW2BM_OK
			 : q2_storage_read(file, bytes, (size_t)size, 0, err);
	if (code == QCOW2BM_OK)
		code = q2_intent_decode(intent, bytes, (size_t)size, is_whole, err);
	free(bytes);
	return code;
}

enum qcow2bm_code q2_intent_store(const struct q2_intent *intent, struct q2_storage *file,
				  struct qcow2bm_error *err)
{
	uint8_t *bytes;
	size_t size;
	enum qcow2bm_code code = q2_intent_encode(intent, &bytes, &size, err);
	if (code != QCOW2BM_OK)
		return code;
	/* What is found later is empty, or known for what it is. */
	code = q2_storage_write(file, bytes, Q2_INTENT_HEAD_BYTES, 0, err);
	if (code == QCOW2BM_OK)
		code = q2_storage_sync(file, err);
	if (code == QCOW2BM_OK)
		code = q2_storage_write(file, bytes + Q2_INTENT_HEAD_BYTES,
					size - Q2_INTENT_HEAD_BYTES, Q2_INTENT_HEAD_BYTES,
					err);
	if (code == QCOW2BM_OK)
		code = q2_storage_sync(file, err);
	free(bytes);
	return code;
}

/* ---- Name ------------------------------------------------------------------------------ */

char *q2_intent_file_path(const char *filename)
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

enum qcow2bm_code q2_intent_file_fail_exists(const char *path, struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {.sys_errno = EEXIST, .offset = QCOW2BM_NO_OFFSET};
	return q2_fail_for(
		err, QCOW2BM_ESYSTEM, &cause,
		"'%.300s' is there: an edit of several images was cut off; chain resume finishes it, or takes it back",
		path);
}

/* ---- Trust ----------------------------------------------------------------------------- */

/* An intent file with other files has any bytes written to any path, of any owner: nobody else may have said that. The
 * same holds for one that is obeyed without a word of the user. */
static enum qcow2bm_code check_trust(int fd, const char *what, struct qcow2bm_error *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET,
				     "cannot look at the intent file");
	if (st.st_uid != geteuid())
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the intent file%s belongs to user %lu, not to %lu who runs this: only its owner is obeyed",
			what, (unsigned long)st.st_uid, (unsigned long)geteuid());
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the intent file%s has mode %03o, which lets others write it: it is not obeyed",
			what, (unsigned)(st.st_mode & 0777));
	return QCOW2BM_OK;
}

static const char with_files[] = " has other files besides images, and";

/* ---- Hold ------------------------------------------------------------------------------ */

/* A link is not followed: whoever made it would choose which of the caller's intent files is obeyed. */
static enum qcow2bm_code open_and_lock(struct q2_intent_file_held *held, int flags,
				       struct qcow2bm_error *err)
{
	struct stat st;
	held->fd =
		open(held->path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (held->fd < 0)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET, "cannot open");
	if (flock(held->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		return q2_fail(
			err, QCOW2BM_EBUSY, QCOW2BM_NO_OFFSET,
			"'%.300s' is held by an edit of several images that goes on, or by its resume",
			held->path);
	/* It may have gone between the two. */
	if (fstat(held->fd, &st) == 0 && st.st_nlink == 0)
		return q2_fail_errno(err, ENOENT, QCOW2BM_NO_OFFSET, "cannot open");
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_intent_file_hold(struct q2_intent_file_held *held,
				      struct qcow2bm_error *err)
{
	return open_and_lock(held, O_RDONLY, err);
}

void q2_intent_file_let_go(struct q2_intent_file_held *held)
{
	if (held->fd >= 0)
		close(held->fd);
	held->fd = -1;
}

enum qcow2bm_code q2_intent_file_create(struct q2_intent_file_held *held,
					struct q2_storage **file,
					struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {0};
	enum qcow2bm_code code = q2_file_create(file, held->path, &cause);
	if (code == QCOW2BM_ESYSTEM && cause.sys_errno == EEXIST)
		return q2_intent_file_fail_exists(held->path, err);
	if (code != QCOW2BM_OK)
		return q2_pass(err, &cause);
	code = open_and_lock(held, O_RDWR, &cause);
	bool is_own = code == QCOW2BM_OK;
	if (is_own && held->is_trusted)
		code = check_trust(held->fd, with_files, &cause);
	if (code == QCOW2BM_OK)
		return code;
	q2_storage_close(*file);
	if (is_own)
		(void)q2_file_remove(held->path, NULL);
	return q2_pass(err, &cause);
}

/* ---- Obey ------------------------------------------------------------------------------ */

/* A kill leaves what was written; a power cut, or a fault of the disk, anything. */
static enum qcow2bm_code check_unwritten(int fd, struct qcow2bm_error *err)
{
	struct stat st;
	if (fstat(fd, &st) == 0 && st.st_size <= (off_t)Q2_INTENT_HEAD_BYTES)
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
		       "the intent file was not completed, or is damaged");
}

enum qcow2bm_code q2_intent_file_load(const struct q2_intent_file_held *held,
				      struct q2_intent *intent, bool *is_whole,
				      bool must_be_own, struct qcow2bm_error *err)
{
	struct q2_storage *file;
	struct qcow2bm_error cause = {0};
	enum qcow2bm_code code =
		must_be_own ? check_trust(held->fd, "", &cause) : QCOW2BM_OK;
	*intent = (struct q2_intent){0};
	if (code == QCOW2BM_OK)
		code = q2_file_borrow(&file, held->fd, Q2_STORAGE_NO_LOCK, 0, NULL,
				      &cause);
	if (code != QCOW2BM_OK)
		return q2_pass(err, &cause);
	code = q2_intent_load(intent, file, is_whole, &cause);
	q2_storage_close(file);
	if (code == QCOW2BM_OK && intent->file_count != 0)
		code = check_trust(held->fd, with_files, &cause);
	if (code == QCOW2BM_OK && must_be_own && !*is_whole)
		code = check_unwritten(held->fd, &cause);
	return code == QCOW2BM_OK ? code : q2_pass(err, &cause);
}
