/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An undo file for what is about to be done to an open image. */
#include "../undo/journal.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "../clusters/clusters.h"
#include "../format/table.h"
#include "../image/tables.h"
#include "../undo/view.h"
#include "journal.h"

/* Tables of sound bitmaps are no longer than the file; of so many more sums are written. */
#define MAX_HOLE_BYTES ((uint64_t)256 << 20)

static uint64_t count_sectors(uint64_t bytes)
{
	return q2_round_up(bytes, Q2_UNDO_SECTOR_BYTES) / Q2_UNDO_SECTOR_BYTES;
}

/* The sectors of the directory and of all tables, each once. */
static enum qcow2bm_code collect(const struct qcow2bm_image *image,
				 struct q2_clusters *sectors, struct qcow2bm_error *err)
{
	const struct q2_directory *directory = &image->directory;
	enum qcow2bm_code code =
		q2_clusters_add(sectors, directory->off / Q2_UNDO_SECTOR_BYTES,
				count_sectors(directory->size), err);
	for (size_t i = 0; code == QCOW2BM_OK && i < directory->count; i++) {
		const struct q2_directory_entry *entry = &directory->bitmaps[i].entry;
		uint64_t bytes = (uint64_t)entry->table_entries * Q2_TABLE_ENTRY_BYTES;
		if (q2_tables_has_place(image, entry) &&
		    entry->table_off < image->file_bytes)
			code = q2_clusters_add(sectors,
					       entry->table_off / Q2_UNDO_SECTOR_BYTES,
					       count_sectors(bytes), err);
	}
	return code == QCOW2BM_OK ? q2_clusters_sort(sectors, NULL, err) : code;
}

/* Tables in holes of the file may be terabytes, of which a sum of each sector would be kept. */
static enum qcow2bm_code bound(const struct qcow2bm_image *image, uint64_t sectors,
			       uint64_t allocated_bytes, struct qcow2bm_error *err)
{
	uint64_t bytes = sectors * Q2_UNDO_SECTOR_BYTES;
	uint64_t held = allocated_bytes == 0 ? image->file_bytes : allocated_bytes;
	if (bytes <= MAX_HOLE_BYTES || bytes - MAX_HOLE_BYTES <= held)
		return QCOW2BM_OK;
	return q2_fail(
		err, QCOW2BM_ELIMIT, QCOW2BM_NO_OFFSET,
		"the bitmap tables take %llu bytes, and the file holds only %llu: an undo file of them would be too long; the edit can be done without one",
		(unsigned long long)bytes, (unsigned long long)held);
}

static enum qcow2bm_code keep_structures(const struct qcow2bm_image *image,
					 struct q2_storage *journal,
					 struct qcow2bm_error *err)
{
	struct q2_clusters sectors = {0};
	enum qcow2bm_code code = collect(image, &sectors, err);
	if (code == QCOW2BM_OK)
		code = bound(image, q2_clusters_total(&sectors), journal->allocated_bytes,
			     err);
	for (size_t i = 0; code == QCOW2BM_OK && i < sectors.count; i++)
		code = q2_storage_keep(journal,
				       sectors.runs[i].first * Q2_UNDO_SECTOR_BYTES,
				       sectors.runs[i].count * Q2_UNDO_SECTOR_BYTES, err);
	q2_clusters_free(&sectors);
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
