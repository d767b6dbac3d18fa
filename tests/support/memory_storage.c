/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage whose file is a vector of bytes in memory. */
#include "memory_storage.h"

#include "base/checked.h"
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory {
	struct q2_storage storage;
	struct memory_file *file;
};

static struct memory_file *file_of(struct q2_storage *storage)
{
	return ((struct memory *)(void *)storage)->file;
}

void memory_file_resize(struct memory_file *file, uint64_t length)
{
	uint8_t *bytes = file->bytes;
	if (file->room == 0 || length > file->room) {
		bytes = realloc(file->bytes, length > 0 ? length : 1);
		file->room = 0;
	}
	if (bytes == NULL)
		abort();
	if (length > file->length)
		memset(bytes + file->length, 0, length - file->length);
	file->bytes = bytes;
	file->length = length;
}

void memory_file_reserve(struct memory_file *file, uint64_t length)
{
	memory_file_resize(file, length);
	file->length = 0;
	file->room = length;
}

void memory_file_fill(struct memory_file *file, const void *bytes, uint64_t length)
{
	memory_file_resize(file, length);
	if (length > 0)
		memcpy(file->bytes, bytes, length);
}

bool memory_file_load(struct memory_file *file, const char *path)
{
	uint8_t buf[65536];
	FILE *in = fopen(path, "rb");
	if (in == NULL)
		return false;
	memory_file_resize(file, 0);
	size_t n;
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0) {
		uint64_t end = file->length;
		memory_file_resize(file, end + n);
		memcpy(file->bytes + end, buf, n);
	}
	bool whole = !ferror(in);
	fclose(in);
	return whole;
}

void memory_file_free(struct memory_file *file)
{
	free(file->bytes);
	file->bytes = NULL;
	file->length = 0;
	file->room = 0;
}

static enum qcow2bm_code memory_read(struct q2_storage *storage, void *buf, size_t bytes,
				     uint64_t off, struct qcow2bm_error *err)
{
	const struct memory_file *file = file_of(storage);
	if (bytes == 0)
		return QCOW2BM_OK;
	if (!q2_checked_within(off, bytes, file->length))
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "cannot read %zu bytes at byte %" PRIu64
			       ": the file ends at byte %" PRIu64,
			       bytes, off, file->length);
	memcpy(buf, file->bytes + off, bytes);
	return QCOW2BM_OK;
}

static enum qcow2bm_code grow(struct q2_storage *storage, uint64_t end,
			      struct qcow2bm_error *err)
{
	struct memory_file *file = file_of(storage);
	uint64_t limit = file->limit != 0 ? file->limit : MEMORY_LIMIT_BYTES;
	if (end <= file->length)
		return QCOW2BM_OK;
	if (!storage->can_grow || end > limit)
		return q2_fail_errno(err, ENOSPC, file->length,
				     "cannot grow to %" PRIu64 " bytes", end);
	memory_file_resize(file, end);
	return QCOW2BM_OK;
}

static enum qcow2bm_code memory_write(struct q2_storage *storage, const void *buf,
				      size_t bytes, uint64_t off,
				      struct qcow2bm_error *err)
{
	uint64_t end;
	assert(storage->writable);
	if (bytes == 0)
		return QCOW2BM_OK;
	if (!q2_checked_add(off, bytes, &end))
		end = UINT64_MAX;
	enum qcow2bm_code code = grow(storage, end, err);
	file_of(storage)->writes++;
	if (code == QCOW2BM_OK)
		memcpy(file_of(storage)->bytes + off, buf, bytes);
	return code;
}

static enum qcow2bm_code memory_sync(struct q2_storage *storage,
				     struct qcow2bm_error *err)
{
	(void)storage;
	(void)err;
	return QCOW2BM_OK;
}

static enum qcow2bm_code memory_resize(struct q2_storage *storage, uint64_t bytes,
				       struct qcow2bm_error *err)
{
	assert(storage->writable);
	if (!storage->can_grow)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			       "a block device cannot be made %" PRIu64 " bytes long",
			       bytes);
	file_of(storage)->writes++;
	enum qcow2bm_code code = grow(storage, bytes, err);
	if (code == QCOW2BM_OK)
		memory_file_resize(file_of(storage), bytes);
	return code;
}

static enum qcow2bm_code memory_discard(struct q2_storage *storage, uint64_t off,
					uint64_t bytes, struct qcow2bm_error *err)
{
	struct memory_file *file = file_of(storage);
	assert(storage->writable);
	(void)err;
	if (storage->can_grow && off < file->length && bytes > 0)
		memset(file->bytes + off, 0, q2_min_u64(bytes, file->length - off));
	return QCOW2BM_OK;
}

static enum qcow2bm_code memory_length(struct q2_storage *storage, uint64_t *bytes,
				       struct qcow2bm_error *err)
{
	(void)err;
	*bytes = file_of(storage)->length;
	return QCOW2BM_OK;
}

static void memory_stamp(struct q2_storage *storage, bool settle, struct q2_stamp *stamp)
{
	(void)settle;
	*stamp = (struct q2_stamp){.is_known = storage->can_grow,
				   .why_unknown = "a device does not tell",
				   .ctime_s = (int64_t)file_of(storage)->writes};
}

static void memory_close(struct q2_storage *storage)
{
	free(storage);
}

static const struct q2_storage_ops memory_ops = {
	.read = memory_read,
	.write = memory_write,
	.sync = memory_sync,
	.resize = memory_resize,
	.discard = memory_discard,
	.length = memory_length,
	.stamp = memory_stamp,
	.close = memory_close,
};

struct q2_storage *memory_storage_open(struct memory_file *file)
{
	struct memory *memory = calloc(1, sizeof(*memory));
	if (memory == NULL)
		abort();
	memory->storage.ops = &memory_ops;
	memory->storage.writable = true;
	memory->storage.can_grow = true;
	memory->storage.writer = Q2_WRITER_NONE;
	memory->storage.allocated_bytes = file->length;
	memory->file = file;
	return &memory->storage;
}
