/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables of committed bitmaps: loading one, and judging what its entries say. */
#include "tables.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../format/table.h"
#include "../storage/holes.h"

#define VISIT_BYTES (64u << 10)
#define SHORT_BYTES 4096u
/* Of all the tables of an image, those that are kept; as long as this room is enough for them, each is
 * read once, however many bitmaps and readers there are. */
#define KEPT_BYTES (4u << 20)

static uint64_t table_bytes(const struct q2_bitmap *bitmap)
{
	return (uint64_t)bitmap->entry.table_entries * Q2_TABLE_ENTRY_BYTES;
}

uint64_t q2_tables_needed_bytes(const struct qcow2bm_image *image,
				const struct q2_bitmap *bitmap, uint32_t idx)
{
	unsigned granularity_bits = bitmap->entry.granularity_bits;
	if (granularity_bits > Q2_DIRECTORY_FORMAT_MAX_GRANULARITY_BITS)
		return 1;
	struct q2_table_shape shape =
		q2_table_shape(image->header.virtual_bytes, granularity_bits,
			       image->header.cluster_bits);
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	/* A bitmap in use may have more entries than the disk; nobody reads their data. */
	if (idx >= shape.entries)
		return 1;
	return q2_min_u64(cluster_bytes, shape.bytes - idx * cluster_bytes);
}

enum qcow2bm_code q2_tables_find_tail_bit(struct qcow2bm_image *image,
					  const struct q2_directory_entry *entry,
					  uint64_t last, uint64_t *off,
					  struct qcow2bm_error *err)
{
	*off = QCOW2BM_NO_OFFSET;
	if (entry->granularity_bits > Q2_DIRECTORY_FORMAT_MAX_GRANULARITY_BITS ||
	    !q2_table_is_data(last) || last >= image->file_bytes)
		return QCOW2BM_OK;
	struct q2_table_shape shape =
		q2_table_shape(image->header.virtual_bytes, entry->granularity_bits,
			       image->header.cluster_bits);
	if (entry->table_entries != shape.entries)
		return QCOW2BM_OK;
	uint64_t bits = shape.bits - (shape.entries - 1) * shape.bits_per_cluster;
	uint64_t bytes = q2_min_u64(q2_header_cluster_bytes(&image->header),
				    image->file_bytes - last);
	uint64_t from = bits / 8;
	if (from >= bytes)
		return QCOW2BM_OK;
	size_t count = (size_t)(bytes - from), at = 0;
	uint8_t *tail = malloc(count);
	if (tail == NULL)
		return q2_fail_memory(err, "the end of a bitmap");
	enum qcow2bm_code code =
		q2_storage_read(image->storage, tail, count, last + from, err);
	if (code == QCOW2BM_OK) {
		tail[0] &= (uint8_t)(0xffu << (bits % 8));
		while (at < count && tail[at] == 0)
			at++;
		if (at < count)
			*off = last + from + at;
	}
	free(tail);
	return code;
}

/* Whether the file has the data that entry idx of the table names, as far as the bitmap has bits. */
static bool is_inside(const struct qcow2bm_image *image, const struct q2_bitmap *bitmap,
		      uint32_t idx, uint64_t entry)
{
	/* Nearly all of them have the whole cluster. */
	return q2_checked_within(entry, q2_header_cluster_bytes(&image->header),
				 image->file_bytes) ||
	       q2_checked_within(entry, q2_tables_needed_bytes(image, bitmap, idx),
				 image->file_bytes);
}

bool q2_tables_has_place(const struct qcow2bm_image *image,
			 const struct q2_directory_entry *entry)
{
	return q2_is_aligned(entry->table_off, q2_header_cluster_bytes(&image->header)) &&
	       entry->table_entries != 0 &&
	       entry->table_entries <= Q2_TABLE_MAX_BITMAP_BYTES >>
		       image->header.cluster_bits;
}

/* ---- Keeping ---- */

static enum qcow2bm_code make_room(struct q2_directory *directory,
				   struct qcow2bm_error *err)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < directory->count && bytes < KEPT_BYTES; i++)
		bytes += table_bytes(&directory->bitmaps[i]);
	directory->tables_room = (size_t)q2_min_u64(bytes, KEPT_BYTES);
	directory->tables = malloc(directory->tables_room);
	return directory->tables == NULL ? q2_fail_memory(err, "bitmap tables")
					 : QCOW2BM_OK;
}

/* One short read costs less than to ask for holes. */
static bool is_hole(const struct qcow2bm_image *image,
		    const struct q2_directory_entry *entry)
{
	struct q2_holes holes = {.storage = image->storage, .length = image->file_bytes};
	uint64_t bytes = (uint64_t)entry->table_entries * Q2_TABLE_ENTRY_BYTES;
	return bytes > SHORT_BYTES &&
	       q2_holes_is_empty(&holes, entry->table_off, entry->table_off + bytes);
}

enum qcow2bm_code q2_tables_keep(struct qcow2bm_image *image, size_t idx,
				 struct qcow2bm_error *err)
{
	struct q2_directory *directory = &image->directory;
	struct q2_bitmap *bitmap = &directory->bitmaps[idx];
	uint64_t bytes = table_bytes(bitmap);
	enum qcow2bm_code code = QCOW2BM_OK;
	if (directory->tables == NULL)
		code = make_room(directory, err);
	if (code != QCOW2BM_OK || bitmap->table != NULL || bytes > VISIT_BYTES ||
	    bytes > directory->tables_room - directory->tables_bytes)
		return code;
	uint8_t *table = directory->tables + directory->tables_bytes;
	if (is_hole(image, &bitmap->entry)) {
		bitmap->table = table;
		bitmap->kept_entries = 0;
		return QCOW2BM_OK;
	}
	code = q2_storage_read(image->storage, table, (size_t)bytes,
			       bitmap->entry.table_off, err);
	if (code != QCOW2BM_OK)
		return code;
	uint32_t entries = bitmap->entry.table_entries;
	while (entries > 0 &&
	       q2_be64_load(table + (entries - 1) * Q2_TABLE_ENTRY_BYTES) == 0)
		entries--;
	bitmap->table = table;
	bitmap->kept_entries = entries;
	directory->tables_bytes += entries * Q2_TABLE_ENTRY_BYTES;
	return QCOW2BM_OK;
}

/* Part of a table that lies inside the file. */
static enum qcow2bm_code read_part(const struct qcow2bm_image *image,
				   const struct q2_bitmap *bitmap, void *buf,
				   size_t bytes, uint64_t at, struct qcow2bm_error *err)
{
	if (bitmap->table == NULL)
		return q2_storage_read(image->storage, buf, bytes,
				       bitmap->entry.table_off + at, err);
	uint64_t kept = (uint64_t)bitmap->kept_entries * Q2_TABLE_ENTRY_BYTES;
	size_t there = at < kept ? (size_t)q2_min_u64(bytes, kept - at) : 0;
	if (there != 0)
		memcpy(buf, bitmap->table + at, there);
	memset((uint8_t *)buf + there, 0, bytes - there);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_tables_load_last(const struct qcow2bm_image *image,
				      const struct q2_bitmap *bitmap, uint64_t *last,
				      struct qcow2bm_error *err)
{
	uint8_t bytes[Q2_TABLE_ENTRY_BYTES];
	enum qcow2bm_code code = read_part(image, bitmap, bytes, sizeof(bytes),
					   table_bytes(bitmap) - sizeof(bytes), err);
	if (code == QCOW2BM_OK)
		*last = q2_be64_load(bytes);
	return code;
}

/* ---- Loading ---- */

/* Whether the table is where it can be read. */
static enum qcow2bm_code check_place(const struct qcow2bm_image *image,
				     const struct q2_bitmap *bitmap,
				     struct qcow2bm_error *err)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	if (!q2_tables_has_place(image, entry))
		return q2_fail(
			err, QCOW2BM_EIMAGE, bitmap->off,
			"its bitmap table (%u entr%s at %llu) is not in a valid place",
			entry->table_entries, q2_ies(entry->table_entries),
			(unsigned long long)entry->table_off);
	if (!q2_checked_within(entry->table_off,
			       (uint64_t)entry->table_entries * Q2_TABLE_ENTRY_BYTES,
			       image->file_bytes))
		return q2_fail(
			err, QCOW2BM_EIMAGE, bitmap->off,
			"its bitmap table (%u entr%s at %llu) lies past the end of the file",
			entry->table_entries, q2_ies(entry->table_entries),
			(unsigned long long)entry->table_off);
	return QCOW2BM_OK;
}

/* Judges each entry on its way to the one who wants it. */
struct scan {
	const struct qcow2bm_image *image;
	const struct q2_bitmap *bitmap;
	q2_tables_fn *fn;
	void *opaque;
};

static enum qcow2bm_code scan_entry(void *opaque, uint32_t idx, uint64_t entry,
				    struct qcow2bm_error *err)
{
	const struct scan *scan = opaque;
	uint64_t off = scan->bitmap->entry.table_off;
	enum qcow2bm_code code = q2_table_check_entry(
		entry, idx, scan->image->header.cluster_bits, off, err);
	if (code != QCOW2BM_OK)
		return code;
	if (q2_table_is_data(entry) && !is_inside(scan->image, scan->bitmap, idx, entry))
		return q2_fail(
			err, QCOW2BM_EIMAGE, off + (uint64_t)idx * Q2_TABLE_ENTRY_BYTES,
			"bitmap table entry %u: its data at %llu lies past the end of the file",
			idx, (unsigned long long)entry);
	return scan->fn == NULL ? QCOW2BM_OK : scan->fn(scan->opaque, idx, entry, err);
}

enum qcow2bm_code q2_tables_scan(const struct qcow2bm_image *image,
				 const struct q2_bitmap *bitmap, q2_tables_fn *fn,
				 void *opaque, struct qcow2bm_error *err)
{
	struct scan scan = {image, bitmap, fn, opaque};
	enum qcow2bm_code code = check_place(image, bitmap, err);
	return code == QCOW2BM_OK ? q2_tables_visit(image, bitmap, scan_entry, &scan, err)
				  : code;
}

static enum qcow2bm_code store_entry(void *opaque, uint32_t idx, uint64_t entry,
				     struct qcow2bm_error *err)
{
	uint64_t *entries = opaque;
	(void)err;
	entries[idx] = entry;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_tables_load(const struct qcow2bm_image *image,
				 const struct q2_bitmap *bitmap, uint64_t **entries,
				 struct qcow2bm_error *err)
{
	enum qcow2bm_code code = check_place(image, bitmap, err);
	if (code != QCOW2BM_OK)
		return code;
	/* Memory that nothing is stored to costs nothing: so long a table may be a hole. */
	uint64_t *table = calloc(bitmap->entry.table_entries, sizeof(*table));
	if (table == NULL)
		return q2_fail_memory(err, "a bitmap table");
	code = q2_tables_scan(image, bitmap, store_entry, table, err);
	if (code == QCOW2BM_OK)
		*entries = table;
	else
		free(table);
	return code;
}

enum q2_table_fault q2_tables_judge_entry(const struct qcow2bm_image *image,
					  const struct q2_bitmap *bitmap, uint32_t idx,
					  uint64_t entry)
{
	if (entry <= Q2_TABLE_ONES)
		return Q2_TABLE_FAULT_NONE;
	if ((entry & Q2_TABLE_RESERVED_MASK) != 0 || (entry & Q2_TABLE_ONES) != 0)
		return Q2_TABLE_FAULT_RESERVED;
	if (!q2_is_aligned(entry, q2_header_cluster_bytes(&image->header)))
		return Q2_TABLE_FAULT_MISALIGNED;
	return is_inside(image, bitmap, idx, entry) ? Q2_TABLE_FAULT_NONE
						    : Q2_TABLE_FAULT_PAST_END;
}

bool q2_tables_names_data(const struct qcow2bm_image *image, uint64_t entry)
{
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	return entry > Q2_TABLE_ONES && (entry & Q2_TABLE_RESERVED_MASK) == 0 &&
	       q2_is_aligned(entry, cluster_bytes) && entry < image->file_bytes;
}

/* Entries `idx` and on, as many as are in `bytes`. */
static enum qcow2bm_code visit_entries(const uint8_t *buf, size_t bytes, uint64_t idx,
				       q2_tables_fn *fn, void *opaque,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t at = 0; code == QCOW2BM_OK && at < bytes;
	     at += Q2_TABLE_ENTRY_BYTES, idx++) {
		uint64_t entry = q2_be64_load(buf + at);
		if (entry != Q2_TABLE_ZEROS)
			code = fn(opaque, (uint32_t)idx, entry, err);
	}
	return code;
}

/* What the file has of a table, in whole entries. */
static uint64_t table_end(const struct qcow2bm_image *image,
			  const struct q2_directory_entry *entry)
{
	uint64_t bytes = (uint64_t)entry->table_entries * Q2_TABLE_ENTRY_BYTES;
	uint64_t have = 0;
	if (entry->table_off < image->file_bytes)
		have = image->file_bytes - entry->table_off;
	have -= have % Q2_TABLE_ENTRY_BYTES;
	return entry->table_off + q2_min_u64(bytes, have);
}

enum qcow2bm_code q2_tables_visit(const struct qcow2bm_image *image,
				  const struct q2_bitmap *bitmap, q2_tables_fn *fn,
				  void *opaque, struct qcow2bm_error *err)
{
	struct q2_holes holes = {.storage = image->storage, .length = image->file_bytes};
	uint64_t start = bitmap->entry.table_off, off = start, stop;
	uint64_t end = table_end(image, &bitmap->entry);
	if (bitmap->table != NULL)
		return visit_entries(bitmap->table,
				     bitmap->kept_entries * Q2_TABLE_ENTRY_BYTES, 0, fn,
				     opaque, err);
	bool asks = end - start > SHORT_BYTES;
	uint8_t *buf = malloc(end == start ? 1 : q2_min_u64(end - start, VISIT_BYTES));
	if (buf == NULL)
		return q2_fail_memory(err, "a bitmap table");
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK && off < end) {
		stop = end;
		if (asks)
			off = q2_holes_skip(&holes, off, end, &stop);
		size_t bytes = (size_t)q2_min_u64(stop - off, VISIT_BYTES);
		if (bytes != 0)
			code = q2_storage_read(image->storage, buf, bytes, off, err);
		if (code == QCOW2BM_OK)
			code = visit_entries(buf, bytes,
					     (off - start) / Q2_TABLE_ENTRY_BYTES, fn,
					     opaque, err);
		off += bytes;
	}
	free(buf);
	return code;
}
