/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing, and reading over the end of a file whose last cluster is not whole. */
#include "storage.h"

#include <string.h>

#include "../base/checked.h"

enum qcow2bm_code q2_storage_read_padded(struct q2_storage *s, void *buf, size_t bytes,
					 uint64_t off, uint64_t unit,
					 struct qcow2bm_error *err)
{
	uint64_t length;
	/* Asked each time: a commit makes the file longer. */
	enum qcow2bm_code code = q2_storage_length(s, &length, err);
	if (code != QCOW2BM_OK)
		return code;
	if (off >= length || q2_checked_within(off, bytes, length) ||
	    bytes - (length - off) >= unit)
		return q2_storage_read(s, buf, bytes, off, err);
	size_t there = (size_t)(length - off);
	memset((uint8_t *)buf + there, 0, bytes - there);
	return q2_storage_read(s, buf, there, off, err);
}

enum qcow2bm_code q2_storage_write(struct q2_storage *s, const void *buf, size_t bytes,
				   uint64_t off, struct qcow2bm_error *err)
{
	return s->ops->write(s, buf, bytes, off, err);
}

enum qcow2bm_code q2_storage_sync(struct q2_storage *s, struct qcow2bm_error *err)
{
	return s->ops->sync(s, err);
}

enum qcow2bm_code q2_storage_resize(struct q2_storage *s, uint64_t bytes,
				    struct qcow2bm_error *err)
{
	return s->ops->resize(s, bytes, err);
}

enum qcow2bm_code q2_storage_discard(struct q2_storage *s, uint64_t off, uint64_t bytes,
				     struct qcow2bm_error *err)
{
	return s->ops->discard(s, off, bytes, err);
}
