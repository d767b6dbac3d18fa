/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is left of an old bitmap: whether its table and data are whole, and nobody else's. */
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../bits/uniform.h"
#include "../format/table.h"
#include "carve.h"

#define READ_BYTES ((size_t)2 << 20) /* at least the largest cluster */
/* What is looked at in all; only entries that were made to keep us busy for ever have more. A byte
 * of a table takes as long as many of data. */
#define BUDGET_BYTES ((uint64_t)8 << 30)
#define TABLE_WEIGHT 32

enum qcow2bm_code q2_remains_open(struct q2_remains *remains, struct qcow2bm_image *image,
				  const struct qcow2bm_report *report,
				  struct qcow2bm_error *err)
{
	remains->image = image;
	remains->report = report;
	remains->budget_bytes = BUDGET_BYTES;
	remains->buf = malloc(READ_BYTES);
	if (remains->buf == NULL)
		return q2_fail_memory(err, "bitmap data");
	return q2_refcounts_open(&remains->refcounts, image, err);
}

void q2_remains_close(struct q2_remains *remains)
{
	q2_refcounts_close(&remains->refcounts);
	free(remains->buf);
	remains->buf = NULL;
}

static bool spend(struct q2_remains *remains, uint64_t bytes)
{
	if (bytes > remains->budget_bytes)
		return false;
	remains->budget_bytes -= bytes;
	return true;
}

/* Whether nothing uses these clusters. One that is counted, but leaked, is not used; one that is
 * free by its refcount, but a bitmap's, is. */
static enum qcow2bm_code find_unused(struct q2_remains *remains, uint64_t first,
				     uint64_t count, bool *are_unused,
				     struct qcow2bm_error *err)
{
	const struct qcow2bm_report *report = remains->report;
	*are_unused = !q2_clusters_overlap(&report->low, first, count, NULL);
	for (uint64_t i = first; *are_unused && i < first + count; i++) {
		uint64_t refcount;
		enum qcow2bm_code code =
			q2_refcounts_read(&remains->refcounts, i, &refcount, err);
		if (code != QCOW2BM_OK)
			return code;
		*are_unused =
			refcount == 0 || q2_clusters_overlap(&report->leaked, i, 1, NULL);
	}
	return QCOW2BM_OK;
}

/* How many table entries from idx on name adjacent clusters of data, which one read takes. */
static uint32_t run_length(const struct q2_remains *remains, uint32_t entries,
			   uint32_t idx)
{
	unsigned cluster_bits = remains->image->header.cluster_bits;
	uint32_t most = (uint32_t)(READ_BYTES >> cluster_bits), n = 1;
	while (n < most && idx + n < entries &&
	       remains->table[idx + n] ==
		       remains->table[idx] + ((uint64_t)n << cluster_bits))
		n++;
	return n;
}

/* Whether entries of a bitmap directory stand in a cluster. QEMU writes its directory to the first
 * clusters that are free, which often are those of the bitmap that it has just deleted, and frees
 * them when it writes the next one. */
static bool has_entries(const struct q2_remains *remains, const uint8_t *cluster)
{
	size_t bytes = (size_t)1 << remains->image->header.cluster_bits, entry_bytes;
	struct q2_directory_entry entry;
	for (size_t at = 0; at < bytes; at += 8)
		if (q2_directory_entry_is_likely(&entry, cluster + at, bytes - at,
						 remains->image->header.cluster_bits,
						 &entry_bytes) &&
		    entry.table_off < remains->image->file_bytes)
			return true;
	return false;
}

/* Whether bits are set behind the end of the disk, in cluster idx of the data: nobody sets them. */
static bool has_tail(const struct q2_remains *remains,
		     const struct qcow2bm_carved *carved, uint32_t idx,
		     const uint8_t *cluster)
{
	const struct q2_header *header = &remains->image->header;
	struct q2_table_shape shape = q2_table_shape(
		header->virtual_bytes, carved->granularity_bits, header->cluster_bits);
	uint64_t used = shape.bits - (carved->table_entries - 1) * shape.bits_per_cluster;
	if (!carved->fits_disk || idx + 1 != carved->table_entries)
		return false;
	if (used % 8 != 0 && cluster[used / 8] >> (used % 8) != 0)
		return true;
	for (uint64_t at = q2_shift_up(used, 3); at < (uint64_t)1 << header->cluster_bits;
	     at++)
		if (cluster[at] != 0)
			return true;
	return false;
}

/* Cluster idx of the data. Programs store one whose bits are all 0 in the table alone: data that
 * reads as zeros was taken away. */
static enum qcow2bm_carved_state judge_cluster(const struct q2_remains *remains,
					       const struct qcow2bm_carved *carved,
					       uint32_t idx, const uint8_t *cluster)
{
	size_t bytes = (size_t)1 << remains->image->header.cluster_bits;
	if (q2_uniform_check((const uint64_t *)(const void *)cluster, bytes / 8) ==
	    Q2_UNIFORM_ZEROS)
		return QCOW2BM_CARVED_DATA_BLANK;
	return has_entries(remains, cluster) || has_tail(remains, carved, idx, cluster)
		       ? QCOW2BM_CARVED_DATA_DAMAGED
		       : QCOW2BM_CARVED_INTACT;
}

/* Looks at `clusters` clusters of data from number `idx` on, which are adjacent in the file; what is
 * wrong goes to carved->state. */
static enum qcow2bm_code judge_run(struct q2_remains *remains,
				   struct qcow2bm_carved *carved, uint32_t idx,
				   uint32_t clusters, struct qcow2bm_error *err)
{
	unsigned cluster_bits = remains->image->header.cluster_bits;
	uint64_t off = remains->table[idx];
	size_t bytes = (size_t)clusters << cluster_bits;
	bool are_unused;
	if (!q2_checked_within(off, bytes, remains->image->file_bytes)) {
		carved->state = QCOW2BM_CARVED_DATA_PAST_END;
		return QCOW2BM_OK;
	}
	if (!spend(remains, bytes)) {
		carved->state = QCOW2BM_CARVED_NOT_JUDGED;
		return QCOW2BM_OK;
	}
	enum qcow2bm_code code =
		find_unused(remains, off >> cluster_bits, clusters, &are_unused, err);
	if (code == QCOW2BM_OK && !are_unused)
		carved->state = QCOW2BM_CARVED_DATA_REUSED;
	if (code == QCOW2BM_OK && are_unused)
		code = q2_storage_read(remains->image->storage, remains->buf, bytes, off,
				       err);
	for (uint32_t i = 0;
	     code == QCOW2BM_OK && i < clusters && carved->state == QCOW2BM_CARVED_INTACT;
	     i++) {
		carved->state = judge_cluster(remains, carved, idx + i,
					      remains->buf + ((size_t)i << cluster_bits));
		carved->data_clusters += carved->state == QCOW2BM_CARVED_INTACT;
	}
	return code;
}

/* A table that names a cluster twice, or its own, was never one. */
static enum qcow2bm_code check_places(const struct q2_remains *remains,
				      struct qcow2bm_carved *carved,
				      struct qcow2bm_error *err)
{
	struct q2_clusters places = {0}, twice = {0};
	unsigned cluster_bits = remains->image->header.cluster_bits;
	uint64_t table_bytes = (uint64_t)carved->table_entries * Q2_TABLE_ENTRY_BYTES;
	enum qcow2bm_code code =
		q2_clusters_add(&places, carved->table_offset >> cluster_bits,
				q2_shift_up(table_bytes, cluster_bits), err);
	for (uint32_t i = 0; code == QCOW2BM_OK && i < carved->table_entries; i++)
		if (q2_table_is_data(remains->table[i]))
			code = q2_clusters_add(&places, remains->table[i] >> cluster_bits,
					       1, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&places, &twice, err);
	if (code == QCOW2BM_OK && twice.count != 0)
		carved->state = QCOW2BM_CARVED_TABLE_DAMAGED;
	q2_clusters_free(&places);
	q2_clusters_free(&twice);
	return code;
}

/* Judges the data clusters run by run, until the first that is lost. */
static enum qcow2bm_code judge_data(struct q2_remains *remains,
				    struct qcow2bm_carved *carved,
				    struct qcow2bm_error *err)
{
	bool is_blank = true;
	enum qcow2bm_code code = check_places(remains, carved, err);
	uint32_t i = 0;
	while (code == QCOW2BM_OK && carved->state == QCOW2BM_CARVED_INTACT &&
	       i < carved->table_entries) {
		uint32_t n = 1;
		is_blank &= remains->table[i] == Q2_TABLE_ZEROS;
		if (q2_table_is_data(remains->table[i])) {
			n = run_length(remains, carved->table_entries, i);
			code = judge_run(remains, carved, i, n, err);
		}
		i += n;
	}
	if (is_blank && carved->state == QCOW2BM_CARVED_INTACT)
		carved->state = QCOW2BM_CARVED_BLANK;
	return code;
}

/* The table is inside the file, and nothing uses it. */
static enum qcow2bm_code judge_table(struct q2_remains *remains,
				     struct qcow2bm_carved *carved,
				     struct qcow2bm_error *err)
{
	uint64_t bytes = (uint64_t)carved->table_entries * Q2_TABLE_ENTRY_BYTES;
	remains->table = malloc((size_t)bytes);
	if (remains->table == NULL)
		return q2_fail_memory(err, "a bitmap table");
	/* Read and decoded in place. */
	enum qcow2bm_code code =
		q2_storage_read(remains->image->storage, remains->table, (size_t)bytes,
				carved->table_offset, err);
	if (code == QCOW2BM_OK &&
	    q2_table_decode(remains->table, (const uint8_t *)remains->table,
			    carved->table_entries, remains->image->header.cluster_bits,
			    carved->table_offset, NULL) != QCOW2BM_OK)
		carved->state = QCOW2BM_CARVED_TABLE_DAMAGED;
	else if (code == QCOW2BM_OK)
		code = judge_data(remains, carved, err);
	free(remains->table);
	remains->table = NULL;
	return code;
}

/* Judges the table, then the data; what a budget leaves out is not judged. */
static enum qcow2bm_code judge_anew(struct q2_remains *remains,
				    struct qcow2bm_carved *carved,
				    struct qcow2bm_error *err)
{
	unsigned cluster_bits = remains->image->header.cluster_bits;
	uint64_t bytes = (uint64_t)carved->table_entries * Q2_TABLE_ENTRY_BYTES;
	bool are_unused;
	carved->state = QCOW2BM_CARVED_TABLE_PAST_END;
	carved->data_clusters = 0;
	if (!q2_checked_within(carved->table_offset, bytes, remains->image->file_bytes))
		return QCOW2BM_OK;
	carved->state = QCOW2BM_CARVED_NOT_JUDGED;
	if (!spend(remains, bytes * TABLE_WEIGHT))
		return QCOW2BM_OK;
	enum qcow2bm_code code =
		find_unused(remains, carved->table_offset >> cluster_bits,
			    q2_shift_up(bytes, cluster_bits), &are_unused, err);
	carved->state = are_unused ? QCOW2BM_CARVED_INTACT : QCOW2BM_CARVED_TABLE_REUSED;
	return code == QCOW2BM_OK && are_unused ? judge_table(remains, carved, err)
						: code;
}

enum qcow2bm_code q2_remains_judge(struct q2_remains *remains,
				   struct qcow2bm_carved *carved,
				   struct qcow2bm_error *err)
{
	uint64_t slot = (carved->table_offset >> remains->image->header.cluster_bits) %
			Q2_REMAINS_KNOWN;
	struct q2_remains_known *known = &remains->known[slot];
	if (known->table_entries == carved->table_entries &&
	    known->table_off == carved->table_offset &&
	    known->granularity_bits == carved->granularity_bits) {
		carved->state = known->state;
		carved->data_clusters = known->data_clusters;
		return QCOW2BM_OK;
	}
	enum qcow2bm_code code = judge_anew(remains, carved, err);
	if (code == QCOW2BM_OK)
		*known = (struct q2_remains_known){
			carved->table_offset, carved->table_entries,
			carved->granularity_bits, carved->state, carved->data_clusters};
	return code;
}
