/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of an image in a regular file or on a block device. */
#define _GNU_SOURCE /* fallocate(), SEEK_DATA */

#include "file.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "lock.h"
#include "stamp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static enum qcow2bm_code file_length(struct q2_storage *storage, uint64_t *bytes,
				     struct qcow2bm_error *err)
{
	/* st_size of a block device is 0; the end of the file is right for both. Nothing
	 * else depends on the file position that this moves. */
	off_t end = lseek(q2_file_of(storage)->fd, 0, SEEK_END);
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
		ssize_t n = pread(q2_file_of(storage)->fd, (uint8_t *)buf + done,
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
		ssize_t n = pwrite(q2_file_of(storage)->fd, (const uint8_t *)buf + done,
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
		rc = fdatasync(q2_file_of(storage)->fd);
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
		rc = ftruncate(q2_file_of(storage)->fd, (off_t)bytes);
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
		rc = fallocate(q2_file_of(storage)->fd,
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
	int fd = q2_file_of(storage)->fd;
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
	q2_stamp_take(q2_file_of(storage)->fd, settle, stamp);
}

static void file_close(struct q2_storage *storage)
{
	/* Gives the locks back. Its result tells nothing: what matters was synced before.
	 */
	struct q2_file *file = q2_file_of(storage);
	if (file->gives_back)
		q2_lock_give_back(file->fd);
	if (!file->is_lent)
		close(file->fd);
	free(file);
}

const struct q2_storage_ops q2_file_ops = {
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
