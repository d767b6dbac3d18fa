/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Refcounts, block by block, with one block in memory. The only reader of the refcount table. */
#include "refcounts.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../base/sort.h"
#include "../format/refcount.h"
#include "../storage/holes.h"

static uint64_t cluster_bytes(const struct q2_refcounts *refcounts)
{
	return q2_header_cluster_bytes(&refcounts->image->header);
}

static enum qcow2bm_code decode_table(struct q2_refcounts *refcounts,
				      struct qcow2bm_error *err)
{
	uint64_t table_off = refcounts->image->header.refcount_table_off;
	for (uint64_t i = 0; i < refcounts->table_entries; i++) {
		uint64_t entry = q2_be64_load((const uint8_t *)&refcounts->table[i]);
		uint64_t off = entry & Q2_REFCOUNT_TABLE_OFFSET_MASK;
		if (off != entry || !q2_is_aligned(off, cluster_bytes(refcounts)))
			return q2_fail(
				err, QCOW2BM_EIMAGE, table_off + i * 8,
				"refcount table entry %llu is invalid (%#llx)" QCOW2BM_SEE_CHECK,
				(unsigned long long)i, (unsigned long long)entry);
		refcounts->table[i] = off;
	}
	return QCOW2BM_OK;
}

/* Entries that name no place for a block are taken out. */
static void decode_damaged_table(struct q2_refcounts *refcounts,
				 const struct q2_faults *faults)
{
	uint64_t table_off = refcounts->image->header.refcount_table_off;
	for (uint64_t i = 0; i < refcounts->table_entries; i++) {
		uint64_t entry = q2_be64_load((const uint8_t *)&refcounts->table[i]);
		bool has_place = q2_is_aligned(entry, cluster_bytes(refcounts)) &&
				 q2_checked_within(entry, cluster_bytes(refcounts),
						   q2_image_end(refcounts->image));
		refcounts->table[i] = has_place ? entry : 0;
		if (!has_place)
			q2_faults_tell(faults, Q2_FAULT_REFCOUNT_TABLE,
				       table_off + i * Q2_REFCOUNT_TABLE_ENTRY_BYTES);
	}
}

/* Loads the refcount table; blocks are loaded when they are asked for. */
static enum qcow2bm_code open_table(struct q2_refcounts *refcounts,
				    struct qcow2bm_image *image, uint64_t bytes,
				    struct qcow2bm_error *err)
{
	const struct q2_header *header = &image->header;
	*refcounts = (struct q2_refcounts){
		.image = image,
		.table_entries = bytes / Q2_REFCOUNT_TABLE_ENTRY_BYTES,
		.block_shift = q2_refcount_block_shift(header->cluster_bits,
						       header->refcount_order),
		.block_idx = Q2_REFCOUNTS_NO_BLOCK,
	};
	refcounts->table = malloc(bytes == 0 ? 1 : (size_t)bytes);
	refcounts->block = malloc((size_t)q2_header_cluster_bytes(header));
	if (refcounts->table == NULL || refcounts->block == NULL)
		return q2_fail_memory(err, "the refcount table");
	return q2_storage_read_padded(image->storage, refcounts->table, (size_t)bytes,
				      header->refcount_table_off,
				      q2_header_cluster_bytes(header), err);
}

static uint64_t table_bytes(const struct q2_header *header)
{
	return (uint64_t)header->refcount_table_clusters << header->cluster_bits;
}

enum qcow2bm_code q2_refcounts_open(struct q2_refcounts *refcounts,
				    struct qcow2bm_image *image,
				    struct qcow2bm_error *err)
{
	const struct q2_header *header = &image->header;
	*refcounts = (struct q2_refcounts){.image = image};
	if (!q2_checked_within(header->refcount_table_off, table_bytes(header),
			       q2_image_end(image)))
		return q2_fail(
			err, QCOW2BM_EIMAGE, Q2_HEADER_REFTABLE_OFF,
			"the refcount table lies past the end of the file" QCOW2BM_SEE_CHECK);
	enum qcow2bm_code code = open_table(refcounts, image, table_bytes(header), err);
	if (code == QCOW2BM_OK)
		code = decode_table(refcounts, err);
	if (code != QCOW2BM_OK)
		q2_refcounts_close(refcounts);
	return code;
}

enum qcow2bm_code q2_refcounts_open_damaged(struct q2_refcounts *refcounts,
					    struct qcow2bm_image *image,
					    const struct q2_faults *faults,
					    struct qcow2bm_error *err)
{
	const struct q2_header *header = &image->header;
	bool is_inside = q2_checked_within(header->refcount_table_off,
					   table_bytes(header), q2_image_end(image));
	if (!is_inside)
		q2_faults_tell(faults, Q2_FAULT_REFCOUNT_TABLE, Q2_HEADER_REFTABLE_OFF);
	enum qcow2bm_code code =
		open_table(refcounts, image, is_inside ? table_bytes(header) : 0, err);
	if (code == QCOW2BM_OK)
		decode_damaged_table(refcounts, faults);
	else
		q2_refcounts_close(refcounts);
	return code;
}

void q2_refcounts_close(struct q2_refcounts *refcounts)
{
	free(refcounts->table);
	free(refcounts->block);
	memset(refcounts, 0, sizeof(*refcounts));
}

bool q2_refcounts_has_block(const struct q2_refcounts *refcounts, uint64_t block_idx)
{
	return block_idx < refcounts->table_entries && refcounts->table[block_idx] != 0;
}

bool q2_refcounts_covers(const struct q2_refcounts *refcounts, uint64_t cluster)
{
	return q2_refcounts_has_block(refcounts, cluster >> refcounts->block_shift);
}

enum qcow2bm_code q2_refcounts_load_block(struct q2_refcounts *refcounts,
					  uint64_t block_idx, struct qcow2bm_error *err)
{
	if (refcounts->block_idx == block_idx)
		return QCOW2BM_OK;
	refcounts->block_idx = Q2_REFCOUNTS_NO_BLOCK;
	enum qcow2bm_code code = q2_storage_read_padded(
		refcounts->image->storage, refcounts->block,
		(size_t)cluster_bytes(refcounts), refcounts->table[block_idx],
		cluster_bytes(refcounts), err);
	if (code == QCOW2BM_OK)
		refcounts->block_idx = block_idx;
	return code;
}

uint64_t q2_refcounts_adjacent(const struct q2_refcounts *refcounts, uint64_t block_idx,
			       uint64_t most)
{
	uint64_t count = 0;
	while (count < most && q2_refcounts_has_block(refcounts, block_idx + count) &&
	       refcounts->table[block_idx + count] ==
		       refcounts->table[block_idx] + count * cluster_bytes(refcounts))
		count++;
	return count;
}

enum qcow2bm_code q2_refcounts_load_blocks(const struct q2_refcounts *refcounts,
					   uint64_t block_idx, uint64_t count,
					   uint8_t *buf, struct qcow2bm_error *err)
{
	return q2_storage_read_padded(refcounts->image->storage, buf,
				      (size_t)(count * cluster_bytes(refcounts)),
				      refcounts->table[block_idx],
				      cluster_bytes(refcounts), err);
}

enum qcow2bm_code q2_refcounts_read(struct q2_refcounts *refcounts, uint64_t cluster,
				    uint64_t *value, struct qcow2bm_error *err)
{
	uint64_t block_idx = cluster >> refcounts->block_shift;
	*value = 0;
	if (!q2_refcounts_has_block(refcounts, block_idx))
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_refcounts_load_block(refcounts, block_idx, err);
	if (code == QCOW2BM_OK)
		*value = q2_refcount_decode(
			refcounts->block, refcounts->image->header.refcount_order,
			cluster - (block_idx << refcounts->block_shift));
	return code;
}

/* ---- How many are used ---- */

/* A block, and how many of the counts that it has are wanted. */
struct wanted {
	uint64_t off, counts;
};

static int compare_wanted(const void *context, const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	(void)context;
	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	return x->counts < y->counts ? -1 : x->counts > y->counts;
}

/* The blocks of the first `clusters` clusters, in the order in which they stand in the file. */
static struct wanted *list_wanted(const struct q2_refcounts *refcounts, uint64_t clusters,
				  size_t *count)
{
	uint64_t blocks = q2_min_u64(refcounts->table_entries,
				     q2_shift_up(clusters, refcounts->block_shift));
	struct wanted *wanted = malloc((size_t)(blocks + 1) * sizeof(*wanted));
	*count = 0;
	for (uint64_t i = 0; wanted != NULL && i < blocks; i++) {
		uint64_t left = clusters - (i << refcounts->block_shift);
		if (refcounts->table[i] != 0)
			wanted[(*count)++] = (struct wanted){
				refcounts->table[i],
				q2_min_u64(left, (uint64_t)1 << refcounts->block_shift)};
	}
	if (wanted != NULL)
		q2_sort(wanted, *count, sizeof(*wanted), compare_wanted, NULL);
	return wanted;
}

static uint64_t count_in_block(const struct q2_refcounts *refcounts, uint64_t counts)
{
	unsigned order = refcounts->image->header.refcount_order;
	uint64_t used = 0, at = 0;
	while (at < counts) {
		uint64_t first =
			q2_refcount_find_nonzero(refcounts->block, order, at, counts);
		at = q2_refcount_find_zero(refcounts->block, order, first, counts);
		used += at - first;
	}
	return used;
}

static enum qcow2bm_code count_wanted(const struct q2_refcounts *refcounts,
				      struct q2_holes *holes, uint64_t off,
				      uint64_t counts, uint64_t *used,
				      struct qcow2bm_error *err)
{
	*used = 0;
	if (q2_holes_is_empty(holes, off, off + cluster_bytes(refcounts)))
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_storage_read_padded(
		refcounts->image->storage, refcounts->block,
		(size_t)cluster_bytes(refcounts), off, cluster_bytes(refcounts), err);
	if (code == QCOW2BM_OK)
		*used = count_in_block(refcounts, counts);
	return code;
}

enum qcow2bm_code q2_refcounts_count_used(struct q2_refcounts *refcounts,
					  uint64_t clusters, uint64_t most,
					  uint64_t *used, struct q2_watch *watch,
					  struct qcow2bm_error *err)
{
	struct q2_holes holes = {.storage = refcounts->image->storage,
				 .length = refcounts->image->file_bytes};
	size_t count;
	uint64_t in_block = 0;
	struct wanted *wanted = list_wanted(refcounts, clusters, &count);
	if (wanted == NULL)
		return q2_fail_memory(err, "the refcount table");
	enum qcow2bm_code code = QCOW2BM_OK;
	refcounts->block_idx = Q2_REFCOUNTS_NO_BLOCK;
	*used = 0;
	for (size_t i = 0; code == QCOW2BM_OK && i < count && *used < most; i++) {
		code = q2_watch_look(watch, err);
		if (code == QCOW2BM_OK &&
		    (i == 0 || compare_wanted(NULL, &wanted[i - 1], &wanted[i]) != 0))
			code = count_wanted(refcounts, &holes, wanted[i].off,
					    wanted[i].counts, &in_block, err);
		*used = q2_min_u64(most, *used + in_block);
	}
	free(wanted);
	return code;
}

/* Free clusters of [first, end), which one existing block counts. */
static enum qcow2bm_code find_free_in_block(struct q2_refcounts *refcounts,
					    uint64_t first, uint64_t end,
					    struct q2_clusters *free_clusters,
					    struct qcow2bm_error *err)
{
	uint64_t block_idx = first >> refcounts->block_shift;
	uint64_t base = block_idx << refcounts->block_shift;
	enum qcow2bm_code code = q2_refcounts_load_block(refcounts, block_idx, err);
	unsigned order = refcounts->image->header.refcount_order;
	uint64_t at = first - base;
	while (code == QCOW2BM_OK && at < end - base) {
		at = q2_refcount_find_zero(refcounts->block, order, at, end - base);
		uint64_t used =
			q2_refcount_find_nonzero(refcounts->block, order, at, end - base);
		code = q2_clusters_add(free_clusters, base + at, used - at, err);
		at = used;
	}
	return code;
}

enum qcow2bm_code q2_refcounts_find_free(struct q2_refcounts *refcounts, uint64_t first,
					 uint64_t end, uint64_t budget_bytes,
					 struct q2_clusters *free_clusters,
					 uint64_t *stopped, struct qcow2bm_error *err)
{
	uint64_t spent = 0;
	while (first < end && spent < budget_bytes) {
		uint64_t block_idx = first >> refcounts->block_shift;
		uint64_t block_end =
			q2_min_u64((block_idx + 1) << refcounts->block_shift, end);
		enum qcow2bm_code code;
		if (q2_refcounts_has_block(refcounts, block_idx)) {
			code = find_free_in_block(refcounts, first, block_end,
						  free_clusters, err);
			spent += cluster_bytes(refcounts);
		} else {
			code = q2_clusters_add(free_clusters, first, block_end - first,
					       err);
			spent += Q2_REFCOUNT_TABLE_ENTRY_BYTES;
		}
		if (code != QCOW2BM_OK)
			return code;
		first = block_end;
	}
	*stopped = first;
	return QCOW2BM_OK;
}

/* Adds the clusters of [first, end), which one block counts or none, whose refcount is not 1. */
static enum qcow2bm_code add_others(struct q2_refcounts *refcounts, uint64_t first,
				    uint64_t end, struct q2_clusters *others,
				    struct qcow2bm_error *err)
{
	uint64_t block_idx = first >> refcounts->block_shift;
	uint64_t base = block_idx << refcounts->block_shift;
	unsigned order = refcounts->image->header.refcount_order;
	if (!q2_refcounts_has_block(refcounts, block_idx))
		return q2_clusters_add(others, first, end - first, err);
	enum qcow2bm_code code = q2_refcounts_load_block(refcounts, block_idx, err);
	uint64_t at = first - base, stop = end - base;
	while (code == QCOW2BM_OK && at < stop) {
		uint64_t used =
			q2_refcount_find_nonzero(refcounts->block, order, at, stop);
		code = q2_clusters_add(others, base + at, used - at, err);
		at = used;
		for (; code == QCOW2BM_OK && at < stop; at++) {
			uint64_t value = q2_refcount_decode(refcounts->block, order, at);
			if (value == 0)
				break;
			if (value != 1)
				code = q2_clusters_add(others, base + at, 1, err);
		}
	}
	return code;
}

enum qcow2bm_code q2_refcounts_keep_ones(struct q2_refcounts *refcounts,
					 struct q2_clusters *set,
					 struct qcow2bm_error *err)
{
	struct q2_clusters others = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t r = 0; code == QCOW2BM_OK && r < set->count; r++) {
		uint64_t first = set->runs[r].first, end = first + set->runs[r].count;
		while (code == QCOW2BM_OK && first < end) {
			uint64_t block_end = ((first >> refcounts->block_shift) + 1)
					     << refcounts->block_shift;
			uint64_t part_end = q2_min_u64(block_end, end);
			code = add_others(refcounts, first, part_end, &others, err);
			first = part_end;
		}
	}
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(set, &others, err);
	q2_clusters_free(&others);
	return code;
}
