/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Measuring a bitmap: how much of the disk is dirty, how much of the file it takes. */
#include "../base/checked.h"
#include "../base/error.h"
#include "../clusters/soundness.h"
#include "../format/table.h"
#include "dirty.h"

#include <string.h>

static uint64_t stored_bytes(const struct qcow2bm_image *image,
			     const struct q2_directory_entry *entry,
			     uint64_t data_clusters)
{
	unsigned cluster_bits = image->header.cluster_bits;
	uint64_t table_bytes = (uint64_t)entry->table_entries * Q2_TABLE_ENTRY_BYTES;
	return (q2_shift_up(table_bytes, cluster_bits) + data_clusters) << cluster_bits;
}

/* Whoever measures all bitmaps would read what many of them share once for each: a few megabytes can
 * name terabytes. */
static bool is_shared(const struct q2_bitmap *bitmap)
{
	return bitmap->problem != NULL &&
	       (!bitmap->has_own_table || bitmap->is_contested);
}

/* Measures the bitmap into image->measured, and into `parts` unless that is NULL. */
static enum qcow2bm_code measure_bitmap(struct qcow2bm_image *image, size_t idx,
					unsigned flags, struct q2_parts *parts,
					struct qcow2bm_error *err)
{
	bool count_bits = flags & QCOW2BM_READ_COUNT;
	enum qcow2bm_code code = q2_soundness_admit(image, idx, flags, count_bits, err);
	if (code != QCOW2BM_OK)
		return code;
	const struct q2_bitmap *bitmap = &image->directory.bitmaps[idx];
	struct q2_dirty dirty = {0};
	if (is_shared(bitmap))
		return q2_fail(err, QCOW2BM_EIMAGE, bitmap->off, "%s", bitmap->problem);
	if (parts != NULL)
		parts->granularity_bits = bitmap->entry.granularity_bits;
	code = q2_dirty_count(image, bitmap, 0, image->header.virtual_bytes, count_bits,
			      parts, &dirty, err);
	image->measured = (struct qcow2bm_measure){
		.dirty_bytes = dirty.bytes,
		.stored_bytes = stored_bytes(image, &bitmap->entry, dirty.data_clusters),
	};
	return code;
}

enum qcow2bm_code qcow2bm_bitmap_measure(struct qcow2bm_image *image, size_t idx,
					 unsigned flags,
					 const struct qcow2bm_measure **measure,
					 const struct qcow2bm_watch *watch,
					 struct qcow2bm_error *err)
{
	struct q2_watch own;
	enum qcow2bm_code code = q2_storage_watch(image->storage, &own, watch, err);
	if (code == QCOW2BM_OK)
		code = measure_bitmap(image, idx, flags, NULL, err);
	*measure = code == QCOW2BM_OK ? &image->measured : NULL;
	q2_storage_unwatch(image->storage);
	return code;
}

enum qcow2bm_code qcow2bm_bitmap_sketch(struct qcow2bm_image *image, size_t idx,
					unsigned flags, uint64_t *part_dirty_bytes,
					size_t parts,
					const struct qcow2bm_measure **measure,
					const struct qcow2bm_watch *watch,
					struct qcow2bm_error *err)
{
	struct q2_watch own;
	struct q2_parts sketch = {
		.dirty_bytes = part_dirty_bytes,
		.count = parts,
		.virtual_bytes = image->header.virtual_bytes,
	};
	*measure = NULL;
	if (parts == 0 || parts > QCOW2BM_SKETCH_PARTS_MAX)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "%zu parts of the disk: 1 to %u are possible", parts,
			       QCOW2BM_SKETCH_PARTS_MAX);
	memset(part_dirty_bytes, 0, parts * sizeof(*part_dirty_bytes));
	enum qcow2bm_code code = q2_storage_watch(image->storage, &own, watch, err);
	if (code == QCOW2BM_OK)
		code = measure_bitmap(image, idx, flags | QCOW2BM_READ_COUNT, &sketch,
				      err);
	if (code == QCOW2BM_OK)
		*measure = &image->measured;
	q2_storage_unwatch(image->storage);
	return code;
}

static enum qcow2bm_code count_dirty(struct qcow2bm_image *image, size_t idx,
				     uint64_t start, uint64_t length, unsigned flags,
				     uint64_t *dirty_bytes, struct qcow2bm_error *err)
{
	uint64_t virtual_bytes = image->header.virtual_bytes;
	if (start > virtual_bytes)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "start %llu lies past the end of the disk (%llu bytes)",
			       (unsigned long long)start,
			       (unsigned long long)virtual_bytes);
	struct q2_dirty dirty = {0};
	enum qcow2bm_code code = q2_soundness_admit(image, idx, flags, true, err);
	if (code == QCOW2BM_OK)
		code = q2_dirty_count(image, &image->directory.bitmaps[idx], start,
				      q2_min_u64(length, virtual_bytes - start), true,
				      NULL, &dirty, err);
	if (code == QCOW2BM_OK)
		*dirty_bytes = dirty.bytes;
	return code;
}

enum qcow2bm_code qcow2bm_bitmap_dirty_bytes(struct qcow2bm_image *image, size_t idx,
					     uint64_t start, uint64_t length,
					     unsigned flags, uint64_t *dirty_bytes,
					     const struct qcow2bm_watch *watch,
					     struct qcow2bm_error *err)
{
	struct q2_watch own;
	enum qcow2bm_code code = q2_storage_watch(image->storage, &own, watch, err);
	if (code == QCOW2BM_OK)
		code = count_dirty(image, idx, start, length, flags, dirty_bytes, err);
	q2_storage_unwatch(image->storage);
	return code;
}
