/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files besides the images that change with them. */
#define _GNU_SOURCE /* O_DIRECTORY, O_NOFOLLOW, statx() */
#include "others.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"
#include "../storage/folder.h"

static enum qcow2bm_code fail(struct qcow2bm_error *err, const char *what,
			      const char *path)
{
	return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET, "cannot %s '%.300s'", what,
			     path);
}

/* ---- Looking --------------------------------------------------------------------------- */

/* All of a regular file, and no more than an intent file can hold. */
static enum qcow2bm_code read_fd(int fd, const char *path, struct q2_intent_bytes *found,
				 struct qcow2bm_error *err)
{
	found->bytes = malloc(Q2_INTENT_MAX_FILE_BYTES + 1);
	if (found->bytes == NULL)
		return q2_fail_memory(err, "a file");
	found->is_there = true;
	while (found->count <= Q2_INTENT_MAX_FILE_BYTES) {
		ssize_t more = read(fd, found->bytes + found->count,
				    Q2_INTENT_MAX_FILE_BYTES + 1 - found->count);
		if (more < 0 && errno == EINTR)
			continue;
		if (more < 0)
			return fail(err, "read", path);
		if (more == 0)
			return QCOW2BM_OK;
		found->count += (size_t)more;
	}
	return q2_fail(err, QCOW2BM_ELIMIT, QCOW2BM_NO_OFFSET,
		       "'%.300s' is longer than %u bytes", path,
		       Q2_INTENT_MAX_FILE_BYTES);
}

/* `st` may be NULL. A file that is not there is one without bytes. To be freed in any case. */
static enum qcow2bm_code read_file(const char *path, struct q2_intent_bytes *found,
				   struct stat *st, struct qcow2bm_error *err)
{
	struct stat unused;
	st = st == NULL ? &unused : st;
	*found = (struct q2_intent_bytes){0};
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return QCOW2BM_OK;
	if (fd < 0)
		return fail(err, "open", path);
	enum qcow2bm_code code = QCOW2BM_OK;
	if (fstat(fd, st) != 0)
		code = fail(err, "look at", path);
	else if (!S_ISREG(st->st_mode))
		code = q2_fail(err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			       "'%.300s' is no regular file", path);
	else
		code = read_fd(fd, path, found, err);
	close(fd);
	return code;
}

static bool is_same(const struct q2_intent_bytes *a, const struct q2_intent_bytes *b)
{
	return a->is_there == b->is_there && a->count == b->count &&
	       (a->count == 0 || memcmp(a->bytes, b->bytes, a->count) == 0);
}

enum qcow2bm_code q2_others_look(const struct q2_intent_file *noted,
				 enum qcow2bm_resume_held *held,
				 struct qcow2bm_error *err)
{
	struct q2_intent_bytes now;
	enum qcow2bm_code code = read_file(noted->path, &now, NULL, err);
	*held = QCOW2BM_RESUME_NEITHER;
	if (code == QCOW2BM_OK && is_same(&now, &noted->old_bytes))
		*held = QCOW2BM_RESUME_OLD;
	else if (code == QCOW2BM_OK && is_same(&now, &noted->new_bytes))
		*held = QCOW2BM_RESUME_NEW;
	free(now.bytes);
	return code == QCOW2BM_ELIMIT || code == QCOW2BM_EUNSUPPORTED ? QCOW2BM_OK : code;
}

/* ---- Noting ---------------------------------------------------------------------------- */

static enum qcow2bm_code copy_bytes(struct q2_intent_bytes *to, const void *bytes,
				    size_t count, struct qcow2bm_error *err)
{
	*to = (struct q2_intent_bytes){0};
	if (bytes == NULL)
		return QCOW2BM_OK;
	if (count > Q2_INTENT_MAX_FILE_BYTES)
		return q2_fail(err, QCOW2BM_ELIMIT, QCOW2BM_NO_OFFSET,
			       "a file would be longer than %u bytes",
			       Q2_INTENT_MAX_FILE_BYTES);
	to->bytes = malloc(count + 1);
	if (to->bytes == NULL)
		return q2_fail_memory(err, "a file");
	memcpy(to->bytes, bytes, count);
	to->count = count;
	to->is_there = true;
	return QCOW2BM_OK;
}

/* The absolute path of a name whose folder is there. */
static enum qcow2bm_code resolve(const char *name, char **path, struct qcow2bm_error *err)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash == NULL ? name : slash + 1;
	char *folder = slash == NULL ? strdup(".") : strndup(name, (size_t)(base - name));
	char *real = folder == NULL ? NULL : realpath(folder, NULL);
	int error = errno;
	free(folder);
	if (real == NULL) {
		errno = error;
		return fail(err, "find the folder of", name);
	}
	*path = malloc(strlen(real) + strlen(base) + 2);
	if (*path != NULL) {
		strcpy(*path, real);
		strcat(*path, "/");
		strcat(*path, base);
	}
	free(real);
	return *path != NULL ? QCOW2BM_OK : q2_fail_memory(err, "a file's name");
}

/* Where a rename can reach; 0 is a mount that is not known. */
struct reach {
	dev_t device;
	uint64_t mount;
};

/* Two mounts of one file system have one device, and a rename from one to the other fails all the same. */
static uint64_t find_mount(const char *path)
{
#ifdef STATX_MNT_ID
	struct statx found;
	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &found) == 0 &&
	    (found.stx_mask & STATX_MNT_ID) != 0)
		return found.stx_mnt_id;
#endif
	(void)path;
	return 0;
}

/* Of the folder of an absolute path. */
static enum qcow2bm_code find_reach(const char *path, struct reach *reach,
				    struct qcow2bm_error *err)
{
	struct stat st;
	char *folder = strndup(path, (size_t)(strrchr(path, '/') - path) + 1);
	if (folder == NULL)
		return q2_fail_memory(err, "a file's name");
	enum qcow2bm_code code = stat(folder, &st) == 0
					 ? QCOW2BM_OK
					 : fail(err, "look at the folder of", path);
	if (code == QCOW2BM_OK)
		*reach = (struct reach){st.st_dev, find_mount(folder)};
	free(folder);
	return code;
}

/* The rename comes behind the switch of the images: one that never works would leave them between two states. A
 * trial would put a file where other programs read all of them. The file may be a mount, too; its device is not
 * compared, which overlay file systems make up. */
static enum qcow2bm_code check_reach(const struct q2_intent_file *noted,
				     struct qcow2bm_error *err)
{
	struct reach from, to;
	enum qcow2bm_code code = find_reach(noted->temporary, &from, err);
	if (code == QCOW2BM_OK)
		code = find_reach(noted->path, &to, err);
	if (code != QCOW2BM_OK)
		return code;
	uint64_t file = noted->old_bytes.is_there ? find_mount(noted->path) : 0;
	if (from.device == to.device &&
	    (from.mount == 0 || to.mount == 0 || from.mount == to.mount) &&
	    (file == 0 || to.mount == 0 || file == to.mount))
		return QCOW2BM_OK;
	return q2_fail(
		err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
		"'%.190s' and '%.190s' are not in one mount: the new file could not be renamed into its place",
		noted->temporary, noted->path);
}

/* A new file is its owner's alone; no file acts as its owner: setuid is not kept. */
static void note_owner(struct q2_intent_file *noted, const struct stat *st)
{
	noted->mode = noted->old_bytes.is_there ? st->st_mode & 0777 : 0600;
	noted->user = noted->old_bytes.is_there ? st->st_uid : geteuid();
	noted->group = noted->old_bytes.is_there ? st->st_gid : getegid();
}

enum qcow2bm_code q2_others_note(struct q2_intent_file *noted,
				 const struct qcow2bm_together_file *file,
				 struct qcow2bm_error *err)
{
	struct q2_intent_bytes now = {0};
	struct stat st = {0};
	enum qcow2bm_code code = resolve(file->filename, &noted->path, err);
	if (code == QCOW2BM_OK)
		code = resolve(file->temporary, &noted->temporary, err);
	if (code == QCOW2BM_OK)
		code = copy_bytes(&noted->old_bytes, file->old_bytes, file->old_count,
				  err);
	if (code == QCOW2BM_OK)
		code = copy_bytes(&noted->new_bytes, file->new_bytes, file->new_count,
				  err);
	if (code == QCOW2BM_OK)
		code = read_file(noted->path, &now, &st, err);
	if (code == QCOW2BM_OK && !is_same(&now, &noted->old_bytes))
		code = q2_fail(err, QCOW2BM_EBUSY, QCOW2BM_NO_OFFSET,
			       "'%.300s' was changed meanwhile", file->filename);
	if (code == QCOW2BM_OK)
		code = check_reach(noted, err);
	free(now.bytes);
	note_owner(noted, &st);
	return code;
}

/* ---- Changing --------------------------------------------------------------------------- */

static const struct q2_intent_bytes *wanted_bytes(const struct q2_intent_file *noted,
						  enum qcow2bm_resume_held wanted)
{
	return wanted == QCOW2BM_RESUME_NEW ? &noted->new_bytes : &noted->old_bytes;
}

static bool write_all(int fd, const uint8_t *bytes, size_t count)
{
	while (count != 0) {
		ssize_t done = write(fd, bytes, count);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		bytes += done;
		count -= (size_t)done;
	}
	return true;
}

/* Nobody else may read it, from its first byte on, who may not read the file. */
static bool fill(int fd, const struct q2_intent_file *noted,
		 const struct q2_intent_bytes *bytes)
{
	bool is_own = noted->user == geteuid() && noted->group == getegid();
	return write_all(fd, bytes->bytes, bytes->count) &&
	       (is_own || fchown(fd, noted->user, noted->group) == 0) &&
	       fchmod(fd, noted->mode) == 0 && fsync(fd) == 0;
}

enum qcow2bm_code q2_others_write(const struct q2_intent_file *noted,
				  enum qcow2bm_resume_held wanted,
				  struct qcow2bm_error *err)
{
	const struct q2_intent_bytes *bytes = wanted_bytes(noted, wanted);
	if (!bytes->is_there)
		return QCOW2BM_OK;
	if (unlink(noted->temporary) != 0 && errno != ENOENT)
		return fail(err, "remove", noted->temporary);
	int fd = open(noted->temporary,
		      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
		      0600);
	if (fd < 0)
		return fail(err, "make", noted->temporary);
	enum qcow2bm_code code = fill(fd, noted, bytes)
					 ? QCOW2BM_OK
					 : fail(err, "write", noted->temporary);
	if (close(fd) != 0 && code == QCOW2BM_OK)
		code = fail(err, "write", noted->temporary);
	return code;
}

enum qcow2bm_code q2_others_switch(const struct q2_intent_file *noted,
				   enum qcow2bm_resume_held wanted,
				   struct qcow2bm_error *err)
{
	bool is_done = wanted_bytes(noted, wanted)->is_there
			       ? rename(noted->temporary, noted->path) == 0
			       : unlink(noted->path) == 0 || errno == ENOENT;
	return is_done && q2_folder_sync(noted->path) ? QCOW2BM_OK
						      : fail(err, "change", noted->path);
}

void q2_others_clean(const struct q2_intent_file *noted)
{
	if (noted->temporary != NULL)
		(void)!unlink(noted->temporary);
}
