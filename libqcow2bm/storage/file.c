/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of an image in a regular file or on a block device. */
#define _GNU_SOURCE /* fallocate(), SEEK_DATA */

#include "storage.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "lock.h"
#include "stamp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAP_NANOSECONDS 100000000L

struct file {
	struct q2_storage storage; /* first: a storage pointer is a file pointer */
	int fd;
	bool is_lent;    /* the caller's still: it is not closed */
	bool gives_back; /* its locks, which a duplicate of the descriptor would keep */
};

static struct file *file_of(struct q2_storage *storage)
{
	return (struct file *)(void *)storage;
}

static enum qcow2bm_code file_length(struct q2_storage *storage, uint64_t *bytes,
				     struct qcow2bm_error *err)
{
	/* st_size of a block device is 0; the end of the file is right for both. Nothing
	 * else depends on the file position that this moves. */
	off_t end = lseek(file_of(storage)->fd, 0, SEEK_END);
	if (end < 0)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET,
				     "cannot find the length");
	*bytes = (uint64_t)end;
	return QCOW2BM_OK;
}

static enum qcow2bm_code fail_at_end(struct q2_storage *storage, size_t bytes,
				     uint64_t off, struct qcow2bm_error *err)
{
	uint64_t length = 0;
	enum qcow2bm_code code = file_length(storage, &length, err);
	if (code != QCOW2BM_OK)
		return code;
	return q2_fail(err, QCOW2BM_EIMAGE, off,
		       "cannot read %zu bytes at byte %" PRIu64
		       ": the file ends at byte %" PRIu64,
		       bytes, off, length);
}

/* A read that is cut short goes on; the end of the file is an error. */
static enum qcow2bm_code file_read(struct q2_storage *storage, void *buf, size_t bytes,
				   uint64_t off, struct qcow2bm_error *err)
{
	if (!q2_checked_within(off, bytes, INT64_MAX))
		return fail_at_end(storage, bytes, off, err);
	for (size_t done = 0; done < bytes;) {
		ssize_t n = pread(file_of(storage)->fd, (uint8_t *)buf + done,
				  bytes - done, (off_t)(off + done));
		if (n == 0)
			return fail_at_end(storage, bytes, off, err);
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return q2_fail_errno(err, errno, off + done,
					     "cannot read %zu bytes at byte %" PRIu64,
					     bytes, off);
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code check_room(struct q2_storage *storage, size_t bytes,
				    uint64_t off, struct qcow2bm_error *err)
{
	uint64_t end = INT64_MAX;
	if (!storage->can_grow) {
		enum qcow2bm_code code = file_length(storage, &end, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	if (!q2_checked_within(off, bytes, end))
		return q2_fail_errno(err, storage->can_grow ? EFBIG : ENOSPC, off,
				     "cannot write %zu bytes at byte %" PRIu64
				     ": the %s ends at byte %" PRIu64,
				     bytes, off,
				     storage->can_grow ? "longest file" : "device", end);
	return QCOW2BM_OK;
}

/* A write that is cut short goes on; one of nothing is a full disk. */
static enum qcow2bm_code file_write(struct q2_storage *storage, const void *buf,
				    size_t bytes, uint64_t off, struct qcow2bm_error *err)
{
	assert(storage->writable);
	enum qcow2bm_code code = check_room(storage, bytes, off, err);
	if (code != QCOW2BM_OK)
		return code;
	for (size_t done = 0; done < bytes;) {
		ssize_t n = pwrite(file_of(storage)->fd, (const uint8_t *)buf + done,
				   bytes - done, (off_t)(off + done));
		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			return q2_fail_errno(err, n == 0 ? ENOSPC : errno, off + done,
					     "cannot write %zu bytes at byte %" PRIu64,
					     bytes, off);
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code file_sync(struct q2_storage *storage, struct qcow2bm_error *err)
{
	int rc;
	/* fdatasync() is enough even after the file grew: what it may leave out (times)
	 * is not needed to read the data back; a new length and new extents are, so it
	 * writes them. */
	do {
		rc = fdatasync(file_of(storage)->fd);
	} while (rc != 0 && errno == EINTR);
	if (rc != 0)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET,
				     "cannot bring the file to stable storage");
	return QCOW2BM_OK;
}

/* Longer parts read as zeros. */
static enum qcow2bm_code file_resize(struct q2_storage *storage, uint64_t bytes,
				     struct qcow2bm_error *err)
{
	assert(storage->writable);
	if (!storage->can_grow)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			       "a block device cannot be made %" PRIu64 " bytes long",
			       bytes);
	if (bytes > INT64_MAX)
		return q2_fail_errno(err, EFBIG, QCOW2BM_NO_OFFSET,
				     "cannot make the file %" PRIu64 " bytes long",
				     bytes);
	int rc;
	do {
		rc = ftruncate(file_of(storage)->fd, (off_t)bytes);
	} while (rc != 0 && errno == EINTR);
	if (rc != 0)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET,
				     "cannot make the file %" PRIu64 " bytes long",
				     bytes);
	return QCOW2BM_OK;
}

/* Gives the room of these bytes back; they read as zeros then. */
static enum qcow2bm_code file_discard(struct q2_storage *storage, uint64_t off,
				      uint64_t bytes, struct qcow2bm_error *err)
{
	assert(storage->writable);
	/* Space given back is a matter of files; a device keeps its length and what lies
	 * on it. */
	if (bytes == 0 || !storage->can_grow)
		return QCOW2BM_OK;
	if (!q2_checked_within(off, bytes, INT64_MAX))
		return q2_fail_errno(err, EFBIG, off,
				     "cannot punch a hole at byte %" PRIu64, off);
	int rc;
	do {
		rc = fallocate(file_of(storage)->fd,
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off,
			       (off_t)bytes);
	} while (rc != 0 && errno == EINTR);
	if (rc != 0)
		return q2_fail_errno(err, errno, off,
				     "cannot punch a hole of %" PRIu64
				     " bytes at byte %" PRIu64,
				     bytes, off);
	return QCOW2BM_OK;
}

static void file_find_data(struct q2_storage *storage, uint64_t off, uint64_t end,
			   uint64_t *data_off, uint64_t *data_end)
{
	int fd = file_of(storage)->fd;
	if (!storage->can_grow || end > INT64_MAX)
		return;
	off_t data = lseek(fd, (off_t)off, SEEK_DATA);
	if (data < 0) {
		/* ENXIO: nothing up to the end of the file. Else it cannot be told. */
		*data_off = errno == ENXIO ? end : off;
		return;
	}
	*data_off = q2_min_u64((uint64_t)data, end);
	off_t hole = lseek(fd, data, SEEK_HOLE);
	if (hole > data)
		*data_end = q2_min_u64((uint64_t)hole, end);
}

static void file_stamp(struct q2_storage *storage, bool settle, struct q2_stamp *stamp)
{
	q2_stamp_take(file_of(storage)->fd, settle, stamp);
}

static void file_close(struct q2_storage *storage)
{
	/* Gives the locks back. Its result tells nothing: what matters was synced before.
	 */
	struct file *file = file_of(storage);
	if (file->gives_back)
		q2_lock_give_back(file->fd);
	if (!file->is_lent)
		close(file->fd);
	free(file);
}

static const struct q2_storage_ops file_ops = {
	.read = file_read,
	.write = file_write,
	.sync = file_sync,
	.resize = file_resize,
	.discard = file_discard,
	.length = file_length,
	.find_data = file_find_data,
	.stamp = file_stamp,
	.close = file_close,
};

/* ---- Opening ------------------------------------------------------------------------
 */

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
	/* Without an error to fill, a try does not search all of /proc for the holder.
	 * What a successful try took, the last call takes once more, which changes
	 * nothing. */
	while (q2_lock_take(fd, role, NULL) == QCOW2BM_EBUSY && nap(patience))
		continue;
	if (has_stopped(patience))
		return q2_watch_ask(patience->watch, err);
	return q2_lock_take(fd, role, err);
}

/* Takes the locks of the role, and finds out who writes: that decides what in-use means. */
static enum qcow2bm_code lock(struct file *file, unsigned flags,
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
		file->storage.writer = q2_lock_find_writer(file->fd);
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

/* Makes the storage of an open descriptor, whose locks it takes. After a failure the descriptor
 * is open still. */
static enum qcow2bm_code make_file(struct file **result, int fd, const struct stat *st,
				   unsigned flags, const struct patience *patience,
				   struct qcow2bm_error *err)
{
	struct file *file = calloc(1, sizeof(*file));
	if (file == NULL)
		return q2_fail_memory(err, "an open file");
	file->fd = fd;
	file->storage.ops = &file_ops;
	file->storage.writable = (flags & Q2_STORAGE_WRITE) != 0;
	file->storage.can_grow = S_ISREG(st->st_mode);
	file->storage.is_parallel = true;
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
	struct file *file = NULL;
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
	struct file *file = NULL;
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
	file_of(storage)->is_lent = false;
}

/* A new name is in its directory for good when the directory is synced. */
static int sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder =
		slash == NULL ? strdup(".")
			      : strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (folder == NULL)
		return ENOMEM;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	free(folder);
	return error;
}

enum qcow2bm_code q2_file_create(struct q2_storage **storage, const char *path,
				 struct qcow2bm_error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return q2_fail_errno(err, errno, QCOW2BM_NO_OFFSET,
				     "cannot make '%.300s'", path);
	fd = move_above_standard(fd);
	int error = fd < 0 ? errno : sync_directory(path);
	struct file *file = error == 0 ? calloc(1, sizeof(*file)) : NULL;
	if (file == NULL) {
		if (fd >= 0)
			close(fd);
		unlink(path);
		return q2_fail_errno(err, error == 0 ? ENOMEM : error, QCOW2BM_NO_OFFSET,
				     "cannot make '%.300s'", path);
	}
	file->storage.ops = &file_ops;
	file->storage.writable = true;
	file->storage.can_grow = true;
	file->storage.writer = Q2_WRITER_UNKNOWN;
	file->fd = fd;
	*storage = &file->storage;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_file_remove(const char *path, struct qcow2bm_error *err)
{
	int error = unlink(path) != 0 ? errno : sync_directory(path);
	return error == 0 ? QCOW2BM_OK
			  : q2_fail_errno(err, error, QCOW2BM_NO_OFFSET,
					  "cannot remove '%.300s'", path);
}
