/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's image locks, taken and looked for. */
#define _GNU_SOURCE /* F_OFD_SETLK, F_OFD_GETLK */

#include "lock.h"

#include "../base/error.h"
#include "holder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Byte 100+i: permission i is used; byte 200+i: permission i is not shared with others; i
 * is 0 for consistent read, 1 write, 2 unchanged write, 3 resize. */
#define FIRST_BYTE 100
#define LAST_BYTE 203
#define READ_BYTE 100
#define WRITE_BYTE 101

/* Lists of bytes that end in 0. */
static const struct role {
	uint8_t takes[9];
	uint8_t refuses[9];
} roles[] = {
	[Q2_LOCK_EDIT] = {{100, 101, 103, 200, 201, 202, 203},
			  {200, 201, 202, 203, 100, 101, 102, 103}},
	[Q2_LOCK_READ] = {{100, 201, 203}, {200, 101, 103}},
};

/* PROBE_RACED: nobody was there, and then somebody was. */
enum probe { PROBE_FREE, PROBE_HELD, PROBE_RACED, PROBE_FAILED };

static struct flock range(short type, off_t start, off_t bytes)
{
	return (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = bytes};
}

/* Whether another descriptor holds the byte; PROBE_FAILED sets errno. */
static enum probe probe(int fd, uint8_t byte)
{
	/* Only a write lock conflicts with the read locks that everybody takes. */
	struct flock lock = range(F_WRLCK, byte, 1);
	if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
		return PROBE_FAILED;
	return lock.l_type == F_UNLCK ? PROBE_FREE : PROBE_HELD;
}

static enum probe probe_all(int fd, const uint8_t *bytes)
{
	for (; *bytes != 0; bytes++) {
		enum probe found = probe(fd, *bytes);
		if (found != PROBE_FREE)
			return found;
	}
	return PROBE_FREE;
}

static enum probe acquire_all(int fd, const uint8_t *bytes)
{
	for (; *bytes != 0; bytes++) {
		struct flock lock = range(F_RDLCK, *bytes, 1);
		if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
			continue;
		/* Somebody's write lock: not QEMU's way, but a claim all the same. */
		return errno == EAGAIN || errno == EACCES ? PROBE_HELD : PROBE_FAILED;
	}
	return PROBE_FREE;
}

void q2_lock_give_back(int fd)
{
	struct flock lock = range(F_UNLCK, FIRST_BYTE, LAST_BYTE - FIRST_BYTE + 1);
	fcntl(fd, F_OFD_SETLK, &lock);
}

static enum probe claim(int fd, const struct role *role)
{
	/* Looked at before anything is taken, so that one who waits for a running guest
	 * never holds, not even for a moment, what QEMU would stumble over when it
	 * reopens the image. Only the look after the taking decides: of two who come at
	 * once, both see it. */
	enum probe found = probe_all(fd, role->refuses);
	if (found != PROBE_FREE)
		return found;
	found = acquire_all(fd, role->takes);
	if (found == PROBE_FREE)
		found = probe_all(fd, role->refuses);
	return found == PROBE_HELD ? PROBE_RACED : found;
}

/* Two who come at once see each other, and both step back: the one who naps less goes first. */
static enum probe claim_in_turn(int fd, const struct role *role)
{
	enum { TRIES = 10, MAX_NAP_NS = 4000000 };
	enum probe found = claim(fd, role);
	for (int i = 0; found == PROBE_RACED && i < TRIES; i++) {
		struct timespec nap = {0};
		q2_lock_give_back(fd);
		clock_gettime(CLOCK_MONOTONIC, &nap);
		long mixed = (nap.tv_nsec ^ (long)getpid() * 7919) & 0x7fffffff;
		nap = (struct timespec){.tv_nsec = mixed % MAX_NAP_NS};
		nanosleep(&nap, NULL);
		found = claim(fd, role);
	}
	return found;
}

static bool is_unsupported(int sys_errno)
{
	return sys_errno == EINVAL || sys_errno == ENOSYS || sys_errno == ENOTSUP ||
	       sys_errno == EOPNOTSUPP || sys_errno == ENOLCK;
}

/* Names the program that holds the lock, as far as it can be found. */
static enum qcow2bm_code fail_busy(int fd, struct qcow2bm_error *err)
{
	char holder[128];
	if (err == NULL)
		return QCOW2BM_EBUSY; /* nobody to tell: spare the search */
	if (!q2_holder_find(fd, holder, sizeof(holder)))
		strcpy(holder, "another process, of another user or on another host");
	return q2_fail(
		err, QCOW2BM_EBUSY, QCOW2BM_NO_OFFSET,
		"in use by %s: shut it down, or work on the running guest through QEMU",
		holder);
}

/* Whether somebody writes to the device by another node, where locks are not seen: after our own
 * are taken, as with those. */
static enum qcow2bm_code check_nodes(int fd, struct qcow2bm_error *err)
{
	char holder[128];
	if (!q2_holder_find_other_node(fd, holder, sizeof(holder)))
		return QCOW2BM_OK;
	return q2_fail(
		err, QCOW2BM_EBUSY, QCOW2BM_NO_OFFSET,
		"in use by %s, through another node of this device: shut it down, or work on the running guest through QEMU",
		holder);
}

enum qcow2bm_code q2_lock_take(int fd, enum q2_lock_role role, struct qcow2bm_error *err)
{
	enum probe found = claim_in_turn(fd, &roles[role]);
	if (found == PROBE_FREE && role == Q2_LOCK_EDIT) {
		enum qcow2bm_code code = check_nodes(fd, err);
		if (code != QCOW2BM_OK)
			q2_lock_give_back(fd);
		return code;
	}
	if (found == PROBE_FREE)
		return QCOW2BM_OK;
	int saved = errno;
	q2_lock_give_back(fd);
	if (found == PROBE_HELD || found == PROBE_RACED)
		return fail_busy(fd, err);
	if (is_unsupported(saved))
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			"locks are not supported on this file system; edit with no lock only when nothing has the image open");
	return q2_fail_errno(err, saved, QCOW2BM_NO_OFFSET, "cannot lock the image");
}

enum q2_writer q2_lock_find_writer(int fd)
{
	enum probe found = probe(fd, WRITE_BYTE);
	if (found == PROBE_HELD)
		return Q2_WRITER_LIVE;
	if (found == PROBE_FREE)
		found = probe(fd, READ_BYTE);
	if (found == PROBE_HELD)
		return Q2_WRITER_IDLE;
	return found == PROBE_FREE ? Q2_WRITER_NONE : Q2_WRITER_UNKNOWN;
}
