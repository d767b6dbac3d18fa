/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loaded before the C library: see preload_record.h. Needs glibc. */
#define _GNU_SOURCE

#include "preload_record.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
	struct stat image;
	int log;
	pthread_mutex_t one_at_a_time;
} record = {.log = -1, .one_at_a_time = PTHREAD_MUTEX_INITIALIZER};

static ssize_t (*next_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*next_pwritev)(int, const struct iovec *, int, off_t);
static int (*next_fsync)(int);
static int (*next_fdatasync)(int);
static int (*next_ftruncate)(int, off_t);
static int (*next_fallocate)(int, int, off_t, off_t);

static void find(void *place, const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);
	if (function == NULL)
		abort();
	memcpy(place, &function, sizeof(function));
}

static void __attribute__((constructor)) set_up(void)
{
	const char *image = getenv("RECORD_IMAGE"), *log = getenv("RECORD_LOG");
	find(&next_pwrite, "pwrite64");
	find(&next_pwritev, "pwritev64");
	find(&next_fsync, "fsync");
	find(&next_fdatasync, "fdatasync");
	find(&next_ftruncate, "ftruncate64");
	find(&next_fallocate, "fallocate64");
	if (image == NULL || log == NULL || stat(image, &record.image) != 0)
		abort();
	record.log = open(log, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (record.log < 0)
		abort();
	unsetenv("LD_PRELOAD");
}

/* Whether the call is to be noted; if so, no other one runs until end(). */
static bool begin(int fd)
{
	struct stat st;
	if (record.log < 0 || fstat(fd, &st) != 0 || st.st_dev != record.image.st_dev ||
	    st.st_ino != record.image.st_ino)
		return false;
	pthread_mutex_lock(&record.one_at_a_time);
	return true;
}

static void end(void)
{
	pthread_mutex_unlock(&record.one_at_a_time);
}

static void note(enum noted_kind kind, off_t off, off_t bytes, const void *data)
{
	struct noted_call call = {
		.kind = kind, .off = (uint64_t)off, .bytes = (uint64_t)bytes};
	if (write(record.log, &call, sizeof(call)) != (ssize_t)sizeof(call))
		abort();
	if (data != NULL && write(record.log, data, (size_t)bytes) != bytes)
		abort();
}

static void note_length(int fd)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		abort();
	note(NOTED_RESIZE, 0, st.st_size, NULL);
}

ssize_t pwrite(int fd, const void *buf, size_t bytes, off_t off)
{
	if (!begin(fd))
		return next_pwrite(fd, buf, bytes, off);
	ssize_t done = next_pwrite(fd, buf, bytes, off);
	if (done > 0)
		note(NOTED_WRITE, off, done, buf);
	end();
	return done;
}

/* One note, however many pieces: a sector that two of them share is written once. */
static void note_pieces(const struct iovec *pieces, int count, off_t off, ssize_t done)
{
	size_t bytes = 0, at = 0;
	for (int i = 0; i < count; i++)
		bytes += pieces[i].iov_len;
	char *data = malloc(bytes);
	if (data == NULL)
		abort();
	for (int i = 0; i < count; i++) {
		memcpy(data + at, pieces[i].iov_base, pieces[i].iov_len);
		at += pieces[i].iov_len;
	}
	note(NOTED_WRITE, off, done, data);
	free(data);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t off)
{
	if (!begin(fd))
		return next_pwritev(fd, pieces, count, off);
	ssize_t done = next_pwritev(fd, pieces, count, off);
	if (done > 0)
		note_pieces(pieces, count, off, done);
	end();
	return done;
}

static int sync_with(int (*next)(int), int fd)
{
	if (!begin(fd))
		return next(fd);
	int result = next(fd);
	if (result == 0)
		note(NOTED_SYNC, 0, 0, NULL);
	end();
	return result;
}

int fsync(int fd)
{
	return sync_with(next_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_with(next_fdatasync, fd);
}

int ftruncate(int fd, off_t bytes)
{
	if (!begin(fd))
		return next_ftruncate(fd, bytes);
	int result = next_ftruncate(fd, bytes);
	if (result == 0)
		note_length(fd);
	end();
	return result;
}

int fallocate(int fd, int mode, off_t off, off_t bytes)
{
	if (!begin(fd))
		return next_fallocate(fd, mode, off, bytes);
	int result = next_fallocate(fd, mode, off, bytes);
	if (result == 0) {
		note_length(fd);
		if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
			note(NOTED_DISCARD, off, bytes, NULL);
	}
	end();
	return result;
}
