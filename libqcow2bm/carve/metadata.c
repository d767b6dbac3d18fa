/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of an image that are neither the guest's data nor bits: for a digest of them. */
#include <stdlib.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../check/references.h"
#include "../format/table.h"
#include "../image/tables.h"
#include "../storage/holes.h"

#define READ_BYTES ((size_t)1 << 20)

/* Adds the clusters of a range, as far as the file goes. */
static enum qcow2bm_code add_range(struct q2_clusters *areas,
				   const struct qcow2bm_image *image, uint64_t off,
				   uint64_t bytes, struct qcow2bm_error *err)
{
	if (bytes == 0 || off >= image->file_bytes)
		return QCOW2BM_OK;
	unsigned cluster_bits = image->header.cluster_bits;
	uint64_t end_off = off + q2_min_u64(bytes, image->file_bytes - off);
	uint64_t first = off >> cluster_bits, end = q2_shift_up(end_off, cluster_bits);
	return q2_clusters_add(areas, first, end - first, err);
}

static enum qcow2bm_code add_bitmaps(struct q2_clusters *areas,
				     const struct qcow2bm_image *image,
				     struct qcow2bm_error *err)
{
	const struct q2_directory *directory = &image->directory;
	enum qcow2bm_code code =
		add_range(areas, image, directory->off, directory->size, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < directory->count; i++) {
		const struct q2_directory_entry *entry = &directory->bitmaps[i].entry;
		/* What cannot be a table may name anything, the guest's data too. */
		if (q2_tables_has_place(image, entry))
			code = add_range(areas, image, entry->table_off,
					 (uint64_t)entry->table_entries *
						 Q2_TABLE_ENTRY_BYTES,
					 err);
	}
	return code;
}

/* Clusters in holes of the file are left out: there may be terabytes of them, and who writes there
 * fills them. */
static enum qcow2bm_code show(struct qcow2bm_image *image, struct q2_holes *holes,
			      const struct q2_run *run, uint8_t *buf,
			      qcow2bm_metadata_fn *fn, void *opaque,
			      struct qcow2bm_error *err)
{
	unsigned cluster_bits = image->header.cluster_bits;
	uint64_t cluster_bytes = (uint64_t)1 << cluster_bits;
	uint64_t off = run->first << cluster_bits, stop;
	uint64_t end =
		q2_min_u64((run->first + run->count) << cluster_bits, image->file_bytes);
	while ((off = q2_holes_skip(holes, off, end, &stop)) < end) {
		off -= off % cluster_bytes;
		stop = q2_min_u64(q2_round_up(stop, cluster_bytes), end);
		size_t bytes = (size_t)q2_min_u64(READ_BYTES, stop - off);
		enum qcow2bm_code code =
			q2_storage_read(image->storage, buf, bytes, off, err);
		if (code != QCOW2BM_OK)
			return code;
		if (fn(opaque, off, buf, bytes) != 0)
			return q2_fail(err, QCOW2BM_ESTOPPED, off,
				       "stopped by the caller");
		off += bytes;
	}
	return QCOW2BM_OK;
}

static uint64_t size_of(const struct q2_clusters *areas, unsigned cluster_bits)
{
	uint64_t clusters = 0;
	for (size_t i = 0; i < areas->count; i++)
		clusters += areas->runs[i].count;
	return clusters << cluster_bits;
}

/* Shows the clusters of all metadata, each once, in the order of their places. */
static enum qcow2bm_code show_all(struct qcow2bm_image *image, qcow2bm_metadata_fn *fn,
				  void *opaque, struct qcow2bm_error *err)
{
	struct q2_clusters areas = {0};
	struct q2_holes holes = {.storage = image->storage, .length = image->file_bytes};
	uint8_t *buf = malloc(READ_BYTES);
	enum qcow2bm_code code =
		buf == NULL ? q2_fail_memory(err, "metadata") : QCOW2BM_OK;
	if (code == QCOW2BM_OK)
		code = q2_references_collect(image, &areas, err);
	if (code == QCOW2BM_OK)
		code = add_bitmaps(&areas, image, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&areas, NULL, err);
	uint64_t done = 0, total = size_of(&areas, image->header.cluster_bits);
	for (size_t i = 0; code == QCOW2BM_OK && i < areas.count; i++) {
		q2_watch_note(image->storage->watch, done, total);
		code = show(image, &holes, &areas.runs[i], buf, fn, opaque, err);
		done += areas.runs[i].count << image->header.cluster_bits;
	}
	q2_clusters_free(&areas);
	free(buf);
	return code;
}

enum qcow2bm_code qcow2bm_image_metadata(struct qcow2bm_image *image,
					 qcow2bm_metadata_fn *fn, void *opaque,
					 const struct qcow2bm_watch *watch,
					 struct qcow2bm_error *err)
{
	struct q2_watch own;
	enum qcow2bm_code code = q2_storage_watch(image->storage, &own, watch, err);
	if (code == QCOW2BM_OK)
		code = show_all(image, fn, opaque, err);
	if (code == QCOW2BM_OK)
		q2_watch_end(&own);
	q2_storage_unwatch(image->storage);
	return code;
}
