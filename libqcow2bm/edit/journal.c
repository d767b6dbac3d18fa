/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An undo file for what is about to be done to an open image. */
#include "../undo/journal.h"

#include "../base/error.h"
#include "../format/table.h"
#include "../image/tables.h"
#include "../undo/view.h"
#include "journal.h"

static enum qcow2bm_code keep_structures(const struct qcow2bm_image *image,
					 struct q2_storage *journal,
					 struct qcow2bm_error *err)
{
	const struct q2_directory *directory = &image->directory;
	enum qcow2bm_code code =
		q2_storage_keep(journal, directory->off, directory->size, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < directory->count; i++) {
		const struct q2_directory_entry *entry = &directory->bitmaps[i].entry;
		if (q2_tables_has_place(image, entry))
			code = q2_storage_keep(journal, entry->table_off,
					       (uint64_t)entry->table_entries *
						       Q2_TABLE_ENTRY_BYTES,
					       err);
	}
	return code;
}

enum qcow2bm_code q2_journal_keep_structures(struct q2_storage *journal,
					     struct qcow2bm_error *err)
{
	struct q2_storage *window;
	struct qcow2bm_image *image;
	enum qcow2bm_code code = q2_undo_view_open(&window, NULL, journal, err);
	if (code == QCOW2BM_OK)
		code = q2_image_open_damaged(&image, window, err);
	if (code != QCOW2BM_OK)
		return code;
	code = keep_structures(image, journal, err);
	qcow2bm_image_close(image);
	return code;
}

/* An undo file has an edit whole. */
static enum qcow2bm_code check_not_pending(const struct qcow2bm_image *image,
					   struct qcow2bm_error *err)
{
	if (image->pending != Q2_PENDING_NOTHING)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "an edit of the image is prepared, but not finished");
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_undo_begin(struct qcow2bm_image *image, const char *path,
				     struct qcow2bm_error *err)
{
	if (!image->storage->writable)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the image is not open for writing");
	if (q2_journal_is(image->storage))
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the image has an undo file already");
	enum qcow2bm_code code = check_not_pending(image, err);
	if (code == QCOW2BM_OK)
		code = q2_journal_open(&image->storage, image->storage, path, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_journal_keep_structures(image->storage, err);
	if (code != QCOW2BM_OK)
		(void)q2_journal_end(image->storage, &image->storage, NULL);
	return code;
}

enum qcow2bm_code qcow2bm_undo_end(struct qcow2bm_image *image, struct qcow2bm_error *err)
{
	if (!q2_journal_is(image->storage))
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the image has no undo file");
	enum qcow2bm_code code = check_not_pending(image, err);
	return code != QCOW2BM_OK ? code
				  : q2_journal_end(image->storage, &image->storage, err);
}
