/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making a new overlay, which holds nothing yet. */
#include "overlay.h"

#include "../base/error.h"
#include "../format/overlay.h"
#include "../storage/storage.h"

#include <stdlib.h>

static enum qcow2bm_code write_whole(struct q2_storage *storage, const uint8_t *buf,
				     uint64_t file_bytes, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_storage_write(storage, buf, Q2_OVERLAY_BYTES, 0, err);
	if (code == QCOW2BM_OK)
		code = q2_storage_resize(storage, file_bytes, err);
	return code == QCOW2BM_OK ? q2_storage_sync(storage, err) : code;
}

/* It has its name once it is whole, where the file system can do that. */
static enum qcow2bm_code write_file(const char *path, const uint8_t *buf,
				    uint64_t file_bytes, struct qcow2bm_error *err)
{
	struct q2_storage *storage;
	bool is_nameless = q2_file_create_nameless(&storage, path);
	enum qcow2bm_code code =
		is_nameless ? QCOW2BM_OK : q2_file_create(&storage, path, err);
	if (code != QCOW2BM_OK)
		return code;
	code = write_whole(storage, buf, file_bytes, err);
	if (is_nameless && code == QCOW2BM_OK)
		code = q2_file_name(storage, path, err);
	q2_storage_close(storage);
	if (!is_nameless && code != QCOW2BM_OK)
		(void)q2_file_remove(path, NULL);
	return code;
}

enum qcow2bm_code q2_overlay_create(const char *path, uint64_t virtual_bytes,
				    const char *backing_name, struct qcow2bm_error *err)
{
	uint64_t file_bytes;
	uint8_t *buf = calloc(1, Q2_OVERLAY_BYTES);
	if (buf == NULL)
		return q2_fail_memory(err, "a new overlay");
	enum qcow2bm_code code =
		q2_overlay_encode(buf, virtual_bytes, backing_name, &file_bytes, err);
	if (code == QCOW2BM_OK)
		code = write_file(path, buf, file_bytes, err);
	free(buf);
	return code;
}
