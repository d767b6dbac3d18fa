/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening an image: locks, header, header extensions, bitmap directory, in this order. */
#include <stdlib.h>

#include "../base/error.h"
#include "../base/options.h"
#include "directory.h"
#include "extensions.h"
#include "generation.h"
#include "salvage.h"

/* Owns `storage`, also after a failure. */
static enum qcow2bm_code open_image(struct qcow2bm_image **result,
				    struct q2_storage *storage, bool is_tolerant,
				    struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = calloc(1, sizeof(*image));
	if (image == NULL) {
		q2_storage_close(storage);
		return q2_fail_memory(err, "an image");
	}
	image->storage = storage;
	image->is_tolerant = is_tolerant;
	image->info = calloc(1, sizeof(*image->info));
	enum qcow2bm_code code = image->info == NULL ? q2_fail_memory(err, "an image")
						     : q2_extensions_load(image, err);
	if (code == QCOW2BM_OK)
		code = is_tolerant ? q2_salvage_load(image, err)
				   : q2_directory_load(image, err);
	if (code != QCOW2BM_OK) {
		qcow2bm_image_close(image);
		return code;
	}
	*result = image;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_image_open(struct qcow2bm_image **image, struct q2_storage *storage,
				struct qcow2bm_error *err)
{
	return open_image(image, storage, false, err);
}

enum qcow2bm_code q2_image_open_damaged(struct qcow2bm_image **image,
					struct q2_storage *storage,
					struct qcow2bm_error *err)
{
	return open_image(image, storage, true, err);
}

static unsigned storage_flags(unsigned flags)
{
	return (flags & QCOW2BM_OPEN_WRITE ? Q2_STORAGE_WRITE : 0u) |
	       (flags & QCOW2BM_OPEN_FORCE_SHARE ? Q2_STORAGE_FORCE_SHARE : 0u) |
	       (flags & QCOW2BM_OPEN_NO_LOCK ? Q2_STORAGE_NO_LOCK : 0u);
}

static enum qcow2bm_code begin_open(struct q2_watch *own, unsigned flags,
				    const struct qcow2bm_watch *watch,
				    struct qcow2bm_error *err)
{
	const unsigned known = QCOW2BM_OPEN_WRITE | QCOW2BM_OPEN_FORCE_SHARE |
			       QCOW2BM_OPEN_NO_LOCK | QCOW2BM_OPEN_DAMAGED;
	enum qcow2bm_code code = q2_options_check(flags, known, "opening", err);
	return code == QCOW2BM_OK ? q2_watch_begin(own, watch, "nothing was changed", err)
				  : code;
}

static enum qcow2bm_code open_watched(struct qcow2bm_image **image,
				      struct q2_storage *storage, unsigned flags,
				      struct q2_watch *watch, struct qcow2bm_error *err)
{
	storage->watch = watch;
	enum qcow2bm_code code =
		open_image(image, storage, flags & QCOW2BM_OPEN_DAMAGED, err);
	if (code == QCOW2BM_OK)
		q2_storage_unwatch(storage);
	return code;
}

enum qcow2bm_code qcow2bm_image_open_fd(struct qcow2bm_image **image, int fd,
					unsigned flags, unsigned wait_seconds,
					const struct qcow2bm_watch *watch,
					struct qcow2bm_error *err)
{
	struct q2_storage *storage;
	struct q2_watch own;
	enum qcow2bm_code code = begin_open(&own, flags, watch, err);
	if (code == QCOW2BM_OK)
		code = q2_file_borrow(&storage, fd, storage_flags(flags), wait_seconds,
				      &own, err);
	if (code == QCOW2BM_OK)
		code = open_watched(image, storage, flags, &own, err);
	if (code == QCOW2BM_OK)
		q2_file_own(storage);
	return code;
}

enum qcow2bm_code qcow2bm_image_open(struct qcow2bm_image **image, const char *filename,
				     unsigned flags, unsigned wait_seconds,
				     const struct qcow2bm_watch *watch,
				     struct qcow2bm_error *err)
{
	struct q2_storage *storage;
	struct q2_watch own;
	enum qcow2bm_code code = begin_open(&own, flags, watch, err);
	if (code == QCOW2BM_OK)
		code = q2_file_open(&storage, filename, storage_flags(flags),
				    wait_seconds, &own, err);
	if (code != QCOW2BM_OK)
		return code;
	return open_watched(image, storage, flags, &own, err);
}

void qcow2bm_image_close(struct qcow2bm_image *image)
{
	if (image == NULL)
		return;
	q2_generation_end(image, Q2_GENERATION_CLOSED);
	q2_directory_free(&image->directory);
	q2_storage_close(image->storage);
	free(image->info);
	free(image->head);
	free(image->extensions);
	free(image->backing_filename);
	free(image->backing_format);
	free(image->data_filename);
	free(image->snapshot_table);
	free(image->snapshot_id);
	free(image->snapshot_name);
	free(image->layer_l1);
	free(image->damages);
	free(image);
}
