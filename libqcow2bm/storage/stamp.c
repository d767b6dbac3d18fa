/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When an open file was last changed, where its file system tells that for certain. */
#define _GNU_SOURCE /* CLOCK_REALTIME_COARSE, fstatfs() */

#include "stamp.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define NAP_NANOSECONDS 1000000L
#define NAPS 200

/* Local file systems that note each write, one through a mapping included, with this machine's
 * clock. Not among them: those of a server, whose times others set; FUSE, which may be anything;
 * tmpfs, which does not see a write through a mapping. */
static bool has_true_times(int fd)
{
	static const unsigned long types[] = {
		0xef53,     /* ext4 */
		0x58465342, /* XFS */
		0x9123683e, /* btrfs */
		0xf2f52010, /* f2fs */
		0xca451a4e, /* bcachefs */
		0x2fc12fc1, /* ZFS */
		0x794c7630, /* overlayfs */
	};
	struct statfs fs;
	if (fstatfs(fd, &fs) != 0)
		return false;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (((unsigned long)fs.f_type & 0xffffffff) == types[i])
			return true;
	return false;
}

/* Tells this run of the system from others: a crash can keep the bytes of a write and lose the
 * time of it. */
static bool read_boot(uint64_t *boot)
{
	char text[36];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t bytes = read(fd, text, sizeof(text));
	close(fd);
	*boot = 0xcbf29ce484222325u;
	for (ssize_t i = 0; i < bytes; i++)
		*boot = (*boot ^ (unsigned char)text[i]) * 0x100000001b3u;
	return bytes == (ssize_t)sizeof(text);
}

static bool take(int fd, struct q2_stamp *stamp)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return false;
	stamp->device = st.st_dev;
	stamp->inode = st.st_ino;
	stamp->mtime_s = st.st_mtim.tv_sec;
	stamp->mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
	stamp->ctime_s = st.st_ctim.tv_sec;
	stamp->ctime_ns = (uint32_t)st.st_ctim.tv_nsec;
	stamp->is_known = true;
	return true;
}

/* Whether the clock that file times come from has gone on since the last change. */
static bool has_passed(const struct q2_stamp *stamp)
{
	struct timespec now;
	if (clock_gettime(CLOCK_REALTIME_COARSE, &now) != 0)
		return false;
	return now.tv_sec > stamp->ctime_s ||
	       (now.tv_sec == stamp->ctime_s && now.tv_nsec > (long)stamp->ctime_ns);
}

static bool settled(int fd, struct q2_stamp *stamp)
{
	struct q2_stamp again = *stamp;
	for (int i = 0; i < NAPS && !has_passed(stamp); i++)
		nanosleep(&(struct timespec){.tv_nsec = NAP_NANOSECONDS}, NULL);
	return has_passed(stamp) && take(fd, &again) && q2_stamp_is_same(stamp, &again);
}

void q2_stamp_take(int fd, bool settle, struct q2_stamp *stamp)
{
	struct stat st;
	memset(stamp, 0, sizeof(*stamp));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		stamp->why_unknown = "a device does not tell when it was written";
		return;
	}
	/* Times of whole seconds are those of a file system that knows no finer ones. */
	if (!has_true_times(fd) || !read_boot(&stamp->boot) || st.st_ctim.tv_nsec == 0 ||
	    !take(fd, stamp) || (settle && !settled(fd, stamp))) {
		stamp->is_known = false;
		stamp->why_unknown =
			"its file system does not tell for certain when it was written";
	}
}

bool q2_stamp_is_same(const struct q2_stamp *a, const struct q2_stamp *b)
{
	return a->is_known && b->is_known && a->boot == b->boot &&
	       a->device == b->device && a->inode == b->inode &&
	       a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns &&
	       a->ctime_s == b->ctime_s && a->ctime_ns == b->ctime_ns;
}
