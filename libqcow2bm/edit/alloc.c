/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Allocation goes by refcounts, as QEMU's does: first fit, from where the bitmaps are. */
#include "alloc.h"

#include <errno.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../format/mapping.h"

/* How many bytes of refcount blocks a look for free clusters reads before it goes on at the
 * end of the file: with 64 KiB clusters they count those of 32 GiB. */
#define BUDGET_BYTES (1u << 20)

/* The lowest place of a bitmap structure: earlier edits freed clusters from there on. */
static uint64_t lowest_bitmap_off(const struct qcow2bm_image *image)
{
	const struct q2_directory *directory = &image->directory;
	uint64_t lowest = directory->count == 0 ? 0 : directory->off;
	for (size_t i = 0; i < directory->count; i++)
		lowest = q2_min_u64(lowest, directory->bitmaps[i].entry.table_off);
	return lowest;
}

static enum qcow2bm_code find_in_file(struct q2_alloc *alloc,
				      struct q2_refcounts *refcounts, uint64_t end,
				      struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = refcounts->image;
	uint64_t first = lowest_bitmap_off(image) >> image->header.cluster_bits;
	first = (first >> refcounts->block_shift) << refcounts->block_shift;
	uint64_t stopped;
	return q2_refcounts_find_free(refcounts, q2_min_u64(first, end), end,
				      BUDGET_BYTES, &alloc->free_clusters, &stopped, err);
}

/* Behind the end of the file clusters may still be counted; behind the last refcount block
 * none is. */
static enum qcow2bm_code find_behind(struct q2_alloc *alloc,
				     struct q2_refcounts *refcounts, uint64_t end,
				     struct qcow2bm_error *err)
{
	uint64_t blocks = refcounts->table_entries;
	while (blocks > 0 && refcounts->table[blocks - 1] == 0)
		blocks--;
	uint64_t counted_end = blocks << refcounts->block_shift;
	uint64_t limit = q2_mapping_cluster_limit(refcounts->image->header.cluster_bits);
	if (counted_end > end) {
		uint64_t stopped;
		enum qcow2bm_code code =
			q2_refcounts_find_free(refcounts, end, counted_end, BUDGET_BYTES,
					       &alloc->free_clusters, &stopped, err);
		if (code != QCOW2BM_OK)
			return code;
		end = counted_end;
	}
	return end >= limit
		       ? QCOW2BM_OK
		       : q2_clusters_add(&alloc->free_clusters, end, limit - end, err);
}

enum qcow2bm_code q2_alloc_open(struct q2_alloc *alloc, struct q2_refcounts *refcounts,
				struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = refcounts->image;
	unsigned bits = image->header.cluster_bits;
	memset(alloc, 0, sizeof(*alloc));
	enum qcow2bm_code code;
	if (image->storage->can_grow) {
		uint64_t end = q2_shift_up(image->file_bytes, bits);
		code = find_in_file(alloc, refcounts, end, err);
		if (code == QCOW2BM_OK)
			code = find_behind(alloc, refcounts, end, err);
	} else {
		uint64_t stopped;
		code = q2_refcounts_find_free(refcounts, 0, image->file_bytes >> bits,
					      UINT64_MAX, &alloc->free_clusters, &stopped,
					      err);
	}
	if (code != QCOW2BM_OK)
		q2_alloc_close(alloc);
	return code;
}

void q2_alloc_close(struct q2_alloc *alloc)
{
	q2_clusters_free(&alloc->free_clusters);
	q2_clusters_free(&alloc->taken);
	q2_clusters_free(&alloc->wrongly_free);
}

static enum qcow2bm_code no_space(struct q2_alloc *alloc, uint64_t count,
				  struct qcow2bm_error *err)
{
	alloc->lacking = count;
	return q2_fail_errno(err, ENOSPC, QCOW2BM_NO_OFFSET,
			     "no room for %llu more clusters in the image",
			     (unsigned long long)count);
}

enum qcow2bm_code q2_alloc_take(struct q2_alloc *alloc, uint64_t count, uint64_t *first,
				struct qcow2bm_error *err)
{
	if (!q2_clusters_take(&alloc->free_clusters, count, first))
		return no_space(alloc, count, err);
	return q2_clusters_add(&alloc->taken, *first, count, err);
}

enum qcow2bm_code q2_alloc_take_any(struct q2_alloc *alloc, uint64_t count,
				    struct q2_clusters *set, struct qcow2bm_error *err)
{
	while (count != 0) {
		uint64_t part = count, first;
		while (!q2_clusters_take(&alloc->free_clusters, part, &first)) {
			if (part == 1)
				return no_space(alloc, count, err);
			part = part / 2;
		}
		enum qcow2bm_code code = q2_clusters_add(&alloc->taken, first, part, err);
		if (code == QCOW2BM_OK)
			code = q2_clusters_add(set, first, part, err);
		if (code != QCOW2BM_OK)
			return code;
		count -= part;
	}
	return QCOW2BM_OK;
}
