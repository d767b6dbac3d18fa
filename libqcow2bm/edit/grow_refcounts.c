/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Growing the refcount structures. One missing block is hung into the table there is; when
 * more is missing, a new table with all new blocks is written and the header is switched to
 * it, so that no block ever counts on another that is not there yet.
 */
#include "change_refcounts.h"
#include "grow_refcounts.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../format/refcount.h"

void q2_grow_refcounts_free(struct q2_growth *growth)
{
	free(growth->blocks);
	memset(growth, 0, sizeof(*growth));
}

uint64_t q2_grow_refcounts_clusters(const struct q2_growth *growth)
{
	return growth->block_count + growth->table_clusters;
}

static bool is_planned(const struct q2_growth *growth, uint64_t block_idx)
{
	for (size_t i = growth->block_count; i-- > 0;)
		if (growth->blocks[i].block_idx == block_idx)
			return true;
	return false;
}

static enum qcow2bm_code add_block(struct q2_growth *growth, struct q2_alloc *alloc,
				   uint64_t block_idx, struct qcow2bm_error *err)
{
	struct q2_new_block *grown =
		realloc(growth->blocks, (growth->block_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return q2_fail_memory(err, "refcount blocks");
	growth->blocks = grown;
	uint64_t cluster;
	enum qcow2bm_code code = q2_alloc_take(alloc, 1, &cluster, err);
	if (code == QCOW2BM_OK)
		grown[growth->block_count++] = (struct q2_new_block){block_idx, cluster};
	return code;
}

/* Plans blocks for the taken clusters that none counts; *added says whether there were any. */
static enum qcow2bm_code add_blocks(struct q2_growth *growth,
				    const struct q2_refcounts *refcounts,
				    struct q2_alloc *alloc, bool *added,
				    struct qcow2bm_error *err)
{
	*added = false;
	/* Taking clusters for blocks appends to alloc->taken: they are looked at in turn. */
	for (size_t r = 0; r < alloc->taken.count; r++) {
		uint64_t at = alloc->taken.runs[r].first;
		while (at < alloc->taken.runs[r].first + alloc->taken.runs[r].count) {
			uint64_t block_idx = at >> refcounts->block_shift;
			at = (block_idx + 1) << refcounts->block_shift;
			if (q2_refcounts_covers(refcounts, at - 1) ||
			    is_planned(growth, block_idx))
				continue;
			enum qcow2bm_code code = add_block(growth, alloc, block_idx, err);
			if (code != QCOW2BM_OK)
				return code;
			*added = true;
		}
	}
	return QCOW2BM_OK;
}

static uint64_t needed_entries(const struct q2_growth *growth,
			       const struct q2_refcounts *refcounts)
{
	uint64_t needed = refcounts->table_entries;
	for (size_t i = 0; i < growth->block_count; i++)
		if (growth->blocks[i].block_idx >= needed)
			needed = growth->blocks[i].block_idx + 1;
	return needed;
}

/* Plans a new table when one is needed and the one planned so far is too short. */
static enum qcow2bm_code add_table(struct q2_growth *growth,
				   const struct q2_refcounts *refcounts,
				   struct q2_alloc *alloc, bool *added,
				   struct qcow2bm_error *err)
{
	uint64_t needed = needed_entries(growth, refcounts);
	*added = false;
	if (growth->block_count < 2 && needed == refcounts->table_entries)
		return QCOW2BM_OK;
	if (growth->table_clusters != 0 && needed <= growth->table_entries)
		return QCOW2BM_OK;
	unsigned cluster_bits = refcounts->image->header.cluster_bits;
	uint64_t roomy =
		needed == refcounts->table_entries ? needed : needed + needed / 4;
	uint64_t limit = Q2_HEADER_MAX_REFTABLE_BYTES / Q2_REFCOUNT_TABLE_ENTRY_BYTES;
	if (needed > limit)
		return q2_fail(
			err, QCOW2BM_ELIMIT, QCOW2BM_NO_OFFSET,
			"the refcount table would need %llu entries, more than QEMU's %llu",
			(unsigned long long)needed, (unsigned long long)limit);
	roomy = q2_min_u64(roomy, limit);
	growth->table_clusters =
		q2_shift_up(roomy * Q2_REFCOUNT_TABLE_ENTRY_BYTES, cluster_bits);
	growth->table_entries =
		(growth->table_clusters << cluster_bits) / Q2_REFCOUNT_TABLE_ENTRY_BYTES;
	*added = true;
	return q2_alloc_take(alloc, growth->table_clusters, &growth->table_first, err);
}

enum qcow2bm_code q2_grow_refcounts_plan(struct q2_growth *growth,
					 const struct q2_refcounts *refcounts,
					 struct q2_alloc *alloc,
					 struct qcow2bm_error *err)
{
	bool more_blocks = true, more_table = true;
	while (more_blocks || more_table) {
		enum qcow2bm_code code =
			add_blocks(growth, refcounts, alloc, &more_blocks, err);
		if (code == QCOW2BM_OK)
			code = add_table(growth, refcounts, alloc, &more_table, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_grow_refcounts_collect(const struct q2_growth *growth,
					    struct q2_clusters *structures,
					    struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_clusters_add(structures, growth->table_first,
						 growth->table_clusters, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < growth->block_count; i++)
		code = q2_clusters_add(structures, growth->blocks[i].cluster, 1, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(structures, NULL, err);
	return code;
}

/* Those of them that blocks count which the image has already. They are counted before
 * anything refers to them: a crash leaks them. */
static enum qcow2bm_code count_in_old_blocks(struct q2_refcounts *refcounts,
					     const struct q2_clusters *structures,
					     struct qcow2bm_error *err)
{
	struct q2_clusters counted = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t r = 0; code == QCOW2BM_OK && r < structures->count; r++) {
		uint64_t first = structures->runs[r].first;
		uint64_t end = first + structures->runs[r].count;
		for (; code == QCOW2BM_OK && first < end; first++)
			if (q2_refcounts_covers(refcounts, first))
				code = q2_clusters_add(&counted, first, 1, err);
	}
	if (code == QCOW2BM_OK)
		code = q2_change_refcounts(refcounts, &counted, Q2_CHANGE_RAISE, err);
	q2_clusters_free(&counted);
	return code;
}

/* Writes the new refcount blocks, in which the new structures count themselves already. */
static enum qcow2bm_code write_blocks(const struct q2_growth *growth,
				      struct q2_refcounts *refcounts,
				      const struct q2_clusters *structures,
				      struct qcow2bm_error *err)
{
	const struct q2_header *header = &refcounts->image->header;
	size_t bytes = (size_t)q2_header_cluster_bytes(header);
	uint8_t *block = malloc(bytes);
	enum qcow2bm_code code =
		block == NULL ? q2_fail_memory(err, "refcount blocks") : QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < growth->block_count; i++) {
		uint64_t base = growth->blocks[i].block_idx << refcounts->block_shift;
		uint64_t end = base + ((uint64_t)1 << refcounts->block_shift), hit;
		memset(block, 0, bytes);
		for (uint64_t at = base;
		     q2_clusters_overlap(structures, at, end - at, &hit); at = hit + 1)
			q2_refcount_encode(block, header->refcount_order, hit - base, 1);
		code = q2_storage_write(refcounts->image->storage, block, bytes,
					growth->blocks[i].cluster << header->cluster_bits,
					err);
	}
	free(block);
	return code;
}

/* The table as it will be, in memory and, where the image gets a new one, on disk. */
static enum qcow2bm_code make_table(const struct q2_growth *growth,
				    struct q2_refcounts *refcounts, uint64_t **table,
				    struct qcow2bm_error *err)
{
	const struct q2_header *header = &refcounts->image->header;
	size_t entries = (size_t)(growth->table_clusters != 0 ? growth->table_entries
							      : refcounts->table_entries);
	uint8_t *encoded = calloc(entries, Q2_REFCOUNT_TABLE_ENTRY_BYTES);
	*table = calloc(entries, sizeof(**table));
	if (encoded == NULL || *table == NULL) {
		free(encoded);
		return q2_fail_memory(err, "the refcount table");
	}
	memcpy(*table, refcounts->table,
	       (size_t)refcounts->table_entries * sizeof(**table));
	for (size_t i = 0; i < growth->block_count; i++)
		(*table)[growth->blocks[i].block_idx] = growth->blocks[i].cluster
							<< header->cluster_bits;
	for (size_t i = 0; i < entries; i++)
		q2_be64_store(encoded + i * Q2_REFCOUNT_TABLE_ENTRY_BYTES, (*table)[i]);
	enum qcow2bm_code code = QCOW2BM_OK;
	if (growth->table_clusters != 0)
		code = q2_storage_write(refcounts->image->storage, encoded,
					entries * Q2_REFCOUNT_TABLE_ENTRY_BYTES,
					growth->table_first << header->cluster_bits, err);
	free(encoded);
	return code;
}

static enum qcow2bm_code sync(struct q2_refcounts *refcounts, unsigned *syncs,
			      struct qcow2bm_error *err)
{
	++*syncs;
	return q2_storage_sync(refcounts->image->storage, err);
}

/* The one write that makes the new structures part of the image. */
static enum qcow2bm_code switch_over(const struct q2_growth *growth,
				     struct q2_refcounts *refcounts,
				     struct qcow2bm_error *err)
{
	struct q2_header *header = &refcounts->image->header;
	uint8_t bytes[Q2_HEADER_REFTABLE_BYTES];
	if (growth->table_clusters == 0) {
		const struct q2_new_block *block = &growth->blocks[0];
		q2_be64_store(bytes, block->cluster << header->cluster_bits);
		return q2_storage_write(
			refcounts->image->storage, bytes, Q2_REFCOUNT_TABLE_ENTRY_BYTES,
			header->refcount_table_off +
				block->block_idx * Q2_REFCOUNT_TABLE_ENTRY_BYTES,
			err);
	}
	q2_be64_store(bytes, growth->table_first << header->cluster_bits);
	q2_be32_store(bytes + (Q2_HEADER_REFTABLE_CLUSTERS_OFF - Q2_HEADER_REFTABLE_OFF),
		      (uint32_t)growth->table_clusters);
	return q2_storage_write(refcounts->image->storage, bytes, sizeof(bytes),
				Q2_HEADER_REFTABLE_OFF, err);
}

static void adopt(const struct q2_growth *growth, struct q2_refcounts *refcounts,
		  uint64_t *table)
{
	struct q2_header *header = &refcounts->image->header;
	free(refcounts->table);
	refcounts->table = table;
	refcounts->block_idx = UINT64_MAX;
	if (growth->table_clusters == 0)
		return;
	refcounts->table_entries = growth->table_entries;
	header->refcount_table_off = growth->table_first << header->cluster_bits;
	header->refcount_table_clusters = (uint32_t)growth->table_clusters;
}

enum qcow2bm_code q2_grow_refcounts_commit(struct q2_growth *growth,
					   struct q2_refcounts *refcounts,
					   unsigned *syncs, struct qcow2bm_error *err)
{
	if (growth->block_count == 0)
		return QCOW2BM_OK;
	struct q2_clusters structures = {0};
	uint64_t *table = NULL;
	enum qcow2bm_code code = q2_grow_refcounts_collect(growth, &structures, err);
	if (code == QCOW2BM_OK)
		code = write_blocks(growth, refcounts, &structures, err);
	if (code == QCOW2BM_OK)
		code = make_table(growth, refcounts, &table, err);
	if (code == QCOW2BM_OK)
		code = count_in_old_blocks(refcounts, &structures, err);
	if (code == QCOW2BM_OK)
		code = sync(refcounts, syncs, err);
	growth->may_be_seen = code == QCOW2BM_OK;
	if (code == QCOW2BM_OK)
		code = switch_over(growth, refcounts, err);
	if (code == QCOW2BM_OK)
		code = sync(refcounts, syncs, err);
	q2_clusters_free(&structures);
	if (code != QCOW2BM_OK) {
		free(table);
		return code;
	}
	adopt(growth, refcounts, table);
	return QCOW2BM_OK;
}
