/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Collecting the clusters that a bitmap refers to. */
#include "refs.h"

#include <stdlib.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../format/table.h"
#include "../image/tables.h"

enum qcow2bm_code q2_refs_add_bytes(struct q2_clusters *set,
				    const struct qcow2bm_image *image, uint64_t off,
				    uint64_t bytes, struct qcow2bm_error *err)
{
	unsigned bits = image->header.cluster_bits;
	uint64_t first = off >> bits;
	return q2_clusters_add(set, first, q2_shift_up(off + bytes, bits) - first, err);
}

enum qcow2bm_code q2_refs_add_bitmap(struct q2_clusters *set, struct qcow2bm_image *image,
				     const struct q2_bitmap *bitmap,
				     const uint64_t *table, struct qcow2bm_error *err)
{
	unsigned cluster_bits = image->header.cluster_bits;
	enum qcow2bm_code code = q2_refs_add_bytes(
		set, image, bitmap->entry.table_off,
		(uint64_t)bitmap->entry.table_entries * Q2_TABLE_ENTRY_BYTES, err);
	for (uint32_t i = 0; code == QCOW2BM_OK && i < bitmap->entry.table_entries; i++)
		if (q2_table_is_data(table[i]))
			code = q2_clusters_add(set, table[i] >> cluster_bits, 1, err);
	return code;
}

enum qcow2bm_code q2_refs_find_in_bitmap(struct qcow2bm_image *image,
					 const struct q2_bitmap *bitmap,
					 const struct q2_clusters *wanted,
					 struct q2_clusters *named,
					 struct qcow2bm_error *err)
{
	uint64_t *table;
	enum qcow2bm_code code = q2_tables_load(image, bitmap, &table, err);
	if (code != QCOW2BM_OK)
		return code;
	struct q2_clusters used = {0};
	code = q2_refs_add_bitmap(&used, image, bitmap, table, err);
	free(table);
	for (size_t i = 0; code == QCOW2BM_OK && i < used.count; i++) {
		uint64_t first = used.runs[i].first, end = first + used.runs[i].count,
			 hit;
		while (code == QCOW2BM_OK &&
		       q2_clusters_overlap(wanted, first, end - first, &hit)) {
			code = q2_clusters_add(named, hit, 1, err);
			first = hit + 1;
		}
	}
	q2_clusters_free(&used);
	return code;
}

/* What lies past the end of the file begins there, or where [off, ...) does. */
static void note_cut(const struct qcow2bm_image *image, uint64_t off, uint64_t bytes,
		     uint64_t *cut_off)
{
	if (!q2_checked_within(off, bytes, image->file_bytes))
		*cut_off = q2_min_u64(*cut_off, q2_max_u64(off, image->file_bytes));
}

enum qcow2bm_code q2_refs_survey_bitmap(struct qcow2bm_image *image,
					const struct q2_bitmap *bitmap,
					struct q2_clusters *named, uint64_t *cut_off,
					struct qcow2bm_error *err)
{
	uint64_t off = bitmap->entry.table_off, end = image->file_bytes;
	uint64_t bytes = (uint64_t)bitmap->entry.table_entries * Q2_TABLE_ENTRY_BYTES;
	if (!q2_tables_has_place(image, &bitmap->entry) || off > INT64_MAX)
		return QCOW2BM_OK;
	note_cut(image, off, bytes, cut_off);
	enum qcow2bm_code code = q2_refs_add_bytes(named, image, off, bytes, err);
	if (code != QCOW2BM_OK || off >= end)
		return code;
	bytes = q2_min_u64(bytes, end - off);
	uint8_t *table = malloc((size_t)bytes);
	if (table == NULL)
		return q2_fail_memory(err, "a bitmap table");
	code = q2_storage_read(image->storage, table, (size_t)bytes, off, err);
	for (uint32_t i = 0; code == QCOW2BM_OK && i < bytes / Q2_TABLE_ENTRY_BYTES;
	     i++) {
		uint64_t entry = q2_be64_load(table + (size_t)i * Q2_TABLE_ENTRY_BYTES);
		entry &= Q2_TABLE_OFFSET_MASK;
		if (entry == 0)
			continue;
		note_cut(image, entry, q2_tables_needed_bytes(image, bitmap, i), cut_off);
		code = q2_clusters_add(named, entry >> image->header.cluster_bits, 1,
				       err);
	}
	free(table);
	return code;
}
