/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loading the table of a committed bitmap. */
#include <stdlib.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../format/table.h"
#include "image.h"

static enum qcow2bm_code check_places(const struct qcow2bm_image *image,
				      const struct q2_bitmap *bitmap,
				      const uint64_t *entries, struct qcow2bm_error *err)
{
	for (uint32_t i = 0; i < bitmap->entry.table_entries; i++)
		if (q2_table_is_data(entries[i]) && entries[i] >= image->file_bytes)
			return q2_fail(err, QCOW2BM_EIMAGE,
				       bitmap->entry.table_off +
					       (uint64_t)i * Q2_TABLE_ENTRY_BYTES,
				       "bitmap table entry %u: its data at %llu lies "
				       "past the end "
				       "of the file",
				       i, (unsigned long long)entries[i]);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_tables_load(struct qcow2bm_image *image,
				 const struct q2_bitmap *bitmap, uint64_t **entries,
				 struct qcow2bm_error *err)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	uint64_t bytes = (uint64_t)entry->table_entries * Q2_TABLE_ENTRY_BYTES;
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	if (!q2_is_aligned(entry->table_off, cluster_bytes) ||
	    entry->table_entries == 0 ||
	    entry->table_entries > Q2_TABLE_MAX_BITMAP_BYTES >>
		    image->header.cluster_bits)
		return q2_fail(
			err, QCOW2BM_EIMAGE, bitmap->off,
			"its bitmap table (%u entries at %llu) is not in a valid place",
			entry->table_entries, (unsigned long long)entry->table_off);
	if (!q2_checked_within(entry->table_off, bytes, image->file_bytes))
		return q2_fail(
			err, QCOW2BM_EIMAGE, bitmap->off,
			"its bitmap table (%u entries at %llu) lies past the end of the "
			"file",
			entry->table_entries, (unsigned long long)entry->table_off);
	uint64_t *table = malloc((size_t)bytes);
	if (table == NULL)
		return q2_fail_memory(err, "a bitmap table");
	/* Read and decoded in place: entry i is read from where it is stored to. */
	enum qcow2bm_code code = q2_storage_read(image->storage, table, (size_t)bytes,
						 entry->table_off, err);
	if (code == QCOW2BM_OK)
		code = q2_table_decode(table, (const uint8_t *)table,
				       entry->table_entries, image->header.cluster_bits,
				       entry->table_off, err);
	if (code == QCOW2BM_OK)
		code = check_places(image, bitmap, table, err);
	if (code != QCOW2BM_OK) {
		free(table);
		return code;
	}
	*entries = table;
	return QCOW2BM_OK;
}
