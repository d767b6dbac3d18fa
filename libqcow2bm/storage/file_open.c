/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening an image's file or block device: what it may be, and the wait for those who hold it. */
#define _GNU_SOURCE /* O_DIRECT, O_PATH */

#include "file.h"

#include "../base/error.h"
#include "folder.h"
#include "holder.h"
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAP_NANOSECONDS 100000000L

static void set_deadline(struct timespec *deadline, unsigned wait_seconds)
{
	clock_gettime(CLOCK_MONOTONIC, deadline);
	deadline->tv_sec += (time_t)wait_seconds;
}

/* How long to try again, and who may stop that. */
struct patience {
	struct timespec deadline;
	struct q2_watch *watch;
};

/* Sleeps a moment; false, at once, when the deadline has passed or the watch stops it. */
static bool nap(const struct patience *patience)
{
	const struct timespec *deadline = &patience->deadline;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec > deadline->tv_sec ||
	    (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec))
		return false;
	if (q2_watch_look(patience->watch, NULL) != QCOW2BM_OK)
		return false;
	nanosleep(&(struct timespec){.tv_nsec = NAP_NANOSECONDS}, NULL);
	return true;
}

static bool has_stopped(const struct patience *patience)
{
	return patience->watch != NULL && patience->watch->has_stopped;
}

/* Nothing else holds an image, and opening a pipe or a device can do something. */
static enum qcow2bm_code check_kind(const struct stat *st, struct qcow2bm_error *err)
{
	const char *kind;
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFBLK:
		return QCOW2BM_OK;
	case S_IFDIR:
		kind = "a directory";
		break;
	case S_IFIFO:
		kind = "a pipe";
		break;
	case S_IFSOCK:
		kind = "a socket";
		break;
	case S_IFCHR:
		kind = "a character device";
		break;
	default:
		kind = "a file of unknown kind";
		break;
	}
	return q2_fail(err, QCOW2BM_ENOTQCOW2, QCOW2BM_NO_OFFSET,
		       "this is %s; an image is a regular file or a block device", kind);
}

/* With standard input, output or error closed, open() hands out their numbers, and the
 * next message for the user would go into the image. */
static int move_above_standard(int fd)
{
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int saved = errno;
	close(fd);
	errno = saved;
	return high;
}

/* A device that is mounted or claimed (EBUSY) and a file under a lease that is being
 * given back (EAGAIN) are worth waiting for. */
static bool is_held(int sys_errno)
{
	return sys_errno == EBUSY || sys_errno == EAGAIN;
}

/* Opens the file, waiting as long as somebody else has claimed it and patience lasts. */
static enum qcow2bm_code open_descriptor(int *fd, const char *path, int open_flags,
					 const struct patience *patience,
					 struct qcow2bm_error *err)
{
	/* O_NONBLOCK: should the path have become a pipe since stat(), do not hang on it.
	 */
	open_flags |= O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	do {
		*fd = open(path, open_flags);
	} while (*fd < 0 && (errno == EINTR || (is_held(errno) && nap(patience))));
	if (*fd < 0 && has_stopped(patience))
		return q2_watch_ask(patience->watch, err);
	if (*fd < 0 && is_held(errno))
		return q2_fail(err, QCOW2BM_EBUSY, QCOW2BM_NO_OFFSET,
			       "in use: mounted, or claimed by another program");
	*fd = move_above_standard(*fd);
	if (*fd < 0)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET, "cannot open%s",
				     (open_flags & O_ACCMODE) == O_RDWR ? " for writing"
									: "");
	return QCOW2BM_OK;
}

/* Fills *st from the descriptor that it opens. */
static enum qcow2bm_code open_kind(int *fd, struct stat *st, const char *path,
				   bool writable, const struct patience *patience,
				   struct qcow2bm_error *err)
{
	/* Looked at before it is opened, since opening alone moves some devices (tapes).
	 */
	if (stat(path, st) != 0)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET, "cannot open");
	enum qcow2bm_code code = check_kind(st, err);
	if (code != QCOW2BM_OK)
		return code;
	bool exclusive = writable && S_ISBLK(st->st_mode);
	int open_flags = (writable ? O_RDWR : O_RDONLY) | (exclusive ? O_EXCL : 0);
	code = open_descriptor(fd, path, open_flags, patience, err);
	if (code != QCOW2BM_OK)
		return code;
	if (fstat(*fd, st) != 0 || fcntl(*fd, F_SETFL, 0) != 0)
		code = q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET, "cannot open");
	else
		code = check_kind(st, err);
	if (code == QCOW2BM_OK && writable && S_ISBLK(st->st_mode) != exclusive)
		code = q2_fail(err, QCOW2BM_EBUSY, QCOW2BM_NO_OFFSET,
			       "the file was replaced while it was opened; try again");
	if (code != QCOW2BM_OK)
		close(*fd);
	return code;
}

static enum qcow2bm_code take_locks(int fd, enum q2_lock_role role,
				    const struct patience *patience,
				    struct qcow2bm_error *err)
{
	enum qcow2bm_code code;
	/* Without an error to fill, a try does not search all of /proc for the holder of a lock. */
	do
		code = q2_lock_take(fd, role, NULL);
	while (code == QCOW2BM_EBUSY && nap(patience));
	if (code == QCOW2BM_OK)
		return code;
	if (has_stopped(patience))
		return q2_watch_ask(patience->watch, err);
	return q2_lock_take(fd, role, err);
}

/* Who writes by another node of the device holds locks that cannot be seen. */
static enum q2_writer find_writer(int fd)
{
	char holder[128];
	return q2_holder_find_other_node(fd, holder, sizeof(holder))
		       ? Q2_WRITER_LIVE
		       : q2_lock_find_writer(fd);
}

/* Takes the locks of the role, and finds out who writes: that decides what in-use means. */
static enum qcow2bm_code lock(struct q2_file *file, unsigned flags,
			      const struct patience *patience, struct qcow2bm_error *err)
{
	file->storage.writer = Q2_WRITER_UNKNOWN;
	if (flags & Q2_STORAGE_NO_LOCK)
		return QCOW2BM_OK;
	if (flags & Q2_STORAGE_FORCE_SHARE) {
		file->storage.writer = q2_lock_find_writer(file->fd);
		return QCOW2BM_OK;
	}
	if (flags & Q2_STORAGE_WRITE) {
		enum qcow2bm_code code =
			take_locks(file->fd, Q2_LOCK_EDIT, patience, err);
		if (code == QCOW2BM_OK)
			file->storage.writer = Q2_WRITER_NONE;
		return code;
	}
	struct qcow2bm_error refusal = {.code = QCOW2BM_OK};
	enum qcow2bm_code code = take_locks(file->fd, Q2_LOCK_READ, patience, &refusal);
	if (code == QCOW2BM_EUNSUPPORTED)
		return QCOW2BM_OK; /* reading goes on, with an unknown writer */
	if (code == QCOW2BM_OK)
		file->storage.writer = find_writer(file->fd);
	else if (err != NULL && err->code == QCOW2BM_OK)
		*err = refusal;
	return code;
}

/* A tool that writes a new file and renames it over the old one may do so while this
 * process waits for the old one's locks: an edit of the old one would vanish with it. */
static enum qcow2bm_code check_name(const char *path, const struct stat *opened,
				    struct qcow2bm_error *err)
{
	struct stat now;
	if (stat(path, &now) == 0 && now.st_dev == opened->st_dev &&
	    now.st_ino == opened->st_ino)
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EBUSY, QCOW2BM_NO_OFFSET,
		       "the file was replaced or removed while it was opened; try again");
}

/* Each node of a device has an inode of its own. */
static struct q2_identity identify(const struct stat *st)
{
	if (S_ISBLK(st->st_mode))
		return (struct q2_identity){
			.is_known = true, .is_device = true, .device = st->st_rdev};
	return (struct q2_identity){
		.is_known = true, .device = st->st_dev, .inode = st->st_ino};
}

/* Makes the storage of an open descriptor, whose locks it takes. After a failure the descriptor
 * is open still. */
static enum qcow2bm_code make_file(struct q2_file **result, int fd, const struct stat *st,
				   unsigned flags, const struct patience *patience,
				   struct qcow2bm_error *err)
{
	struct q2_file *file = calloc(1, sizeof(*file));
	if (file == NULL)
		return q2_fail_memory(err, "an open file");
	file->fd = fd;
	file->storage.ops = &q2_file_ops;
	file->storage.writable = (flags & Q2_STORAGE_WRITE) != 0;
	file->storage.can_grow = S_ISREG(st->st_mode);
	file->storage.is_parallel = true;
	file->storage.identity = identify(st);
	if (S_ISREG(st->st_mode))
		file->storage.allocated_bytes = (uint64_t)st->st_blocks * 512;
	enum qcow2bm_code code = lock(file, flags, patience, err);
	if (code != QCOW2BM_OK) {
		free(file);
		return code;
	}
	*result = file;
	return QCOW2BM_OK;
}

static enum qcow2bm_code check_flags(unsigned flags, struct qcow2bm_error *err)
{
	if ((flags & Q2_STORAGE_WRITE) && (flags & Q2_STORAGE_FORCE_SHARE))
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "force-share is for reading only");
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_file_open(struct q2_storage **storage, const char *path,
			       unsigned flags, unsigned wait_seconds,
			       struct q2_watch *watch, struct qcow2bm_error *err)
{
	bool writable = (flags & Q2_STORAGE_WRITE) != 0;
	struct patience patience = {.watch = watch};
	struct q2_file *file = NULL;
	struct stat st;
	int fd = -1;
	*storage = NULL;
	enum qcow2bm_code code = check_flags(flags, err);
	if (code != QCOW2BM_OK)
		return code;
	set_deadline(&patience.deadline, wait_seconds);
	code = open_kind(&fd, &st, path, writable, &patience, err);
	if (code != QCOW2BM_OK)
		return code;
	code = make_file(&file, fd, &st, flags, &patience, err);
	if (code == QCOW2BM_OK && writable)
		code = check_name(path, &st, err);
	if (code != QCOW2BM_OK) {
		free(file);
		close(fd);
		return code;
	}
	*storage = &file->storage;
	return QCOW2BM_OK;
}

/* With O_APPEND the system writes at the end whatever the offset; with O_DIRECT it wants aligned
 * buffers. */
static enum qcow2bm_code check_descriptor(int fd, bool writable,
					  struct qcow2bm_error *err)
{
	int open_flags = fcntl(fd, F_GETFL);
	if (open_flags < 0)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET, "cannot use %d", fd);
	int way = open_flags & O_ACCMODE;
	if (way == O_WRONLY || (writable && way != O_RDWR))
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "descriptor %d is not open for %s", fd,
			       way == O_WRONLY ? "reading" : "writing");
	if (open_flags & (O_APPEND | O_DIRECT | O_PATH))
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "descriptor %d is open with O_APPEND, O_DIRECT or O_PATH",
			       fd);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_file_borrow(struct q2_storage **storage, int fd, unsigned flags,
				 unsigned wait_seconds, struct q2_watch *watch,
				 struct qcow2bm_error *err)
{
	struct patience patience = {.watch = watch};
	struct q2_file *file = NULL;
	struct stat st;
	*storage = NULL;
	enum qcow2bm_code code = check_flags(flags, err);
	if (code == QCOW2BM_OK)
		code = check_descriptor(fd, (flags & Q2_STORAGE_WRITE) != 0, err);
	if (code == QCOW2BM_OK && fstat(fd, &st) != 0)
		code = q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET, "cannot use %d", fd);
	if (code == QCOW2BM_OK)
		code = check_kind(&st, err);
	if (code != QCOW2BM_OK)
		return code;
	set_deadline(&patience.deadline, wait_seconds);
	code = make_file(&file, fd, &st, flags, &patience, err);
	if (code != QCOW2BM_OK)
		return code;
	file->is_lent = true;
	file->gives_back = (flags & (Q2_STORAGE_NO_LOCK | Q2_STORAGE_FORCE_SHARE)) == 0;
	*storage = &file->storage;
	return QCOW2BM_OK;
}

void q2_file_own(struct q2_storage *storage)
{
	q2_file_of(storage)->is_lent = false;
}

/* The storage of a new file; closes the descriptor when there is no memory. */
static struct q2_storage *make_new(int fd)
{
	struct q2_file *file = calloc(1, sizeof(*file));
	if (file == NULL) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	file->storage.ops = &q2_file_ops;
	file->storage.writable = true;
	file->storage.can_grow = true;
	file->storage.writer = Q2_WRITER_UNKNOWN;
	file->fd = fd;
	return &file->storage;
}

enum qcow2bm_code q2_file_create(struct q2_storage **storage, const char *path,
				 struct qcow2bm_error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET,
				     "cannot make '%.300s'", path);
	fd = move_above_standard(fd);
	*storage = fd >= 0 ? make_new(fd) : NULL;
	if (*storage != NULL && q2_folder_sync(path))
		return QCOW2BM_OK;
	int error = errno;
	if (*storage != NULL)
		q2_storage_close(*storage);
	unlink(path);
	return q2_fail_errno(err, error, QCOW2BM_NO_OFFSET, "cannot make '%.300s'", path);
}

bool q2_file_create_nameless(struct q2_storage **storage, const char *path)
{
	char *folder = access("/proc/self/fd", X_OK) == 0 ? q2_folder_of(path) : NULL;
	int fd = folder == NULL
			 ? -1
			 : open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC | O_NOCTTY, 0600);
	free(folder);
	fd = fd < 0 ? fd : move_above_standard(fd);
	*storage = fd < 0 ? NULL : make_new(fd);
	return *storage != NULL;
}

enum qcow2bm_code q2_file_name(struct q2_storage *storage, const char *path,
			       struct qcow2bm_error *err)
{
	char link[64];
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", q2_file_of(storage)->fd);
	if (linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET,
				     "cannot make '%.300s'", path);
	if (q2_folder_sync(path))
		return QCOW2BM_OK;
	int error = errno;
	unlink(path);
	return q2_fail_errno(err, error, QCOW2BM_NO_OFFSET, "cannot make '%.300s'", path);
}

enum qcow2bm_code q2_file_remove(const char *path, struct qcow2bm_error *err)
{
	int error = unlink(path) != 0 || !q2_folder_sync(path) ? errno : 0;
	return error == 0 ? QCOW2BM_OK
			  : q2_fail_errno(err, error, QCOW2BM_NO_OFFSET,
					  "cannot remove '%.300s'", path);
}
