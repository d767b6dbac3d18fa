/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Collecting the clusters of the image's own structures. */
#include "refs.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../format/mapping.h"
#include "../format/table.h"
#include "../image/extensions.h"
#include "../image/snapshots.h"
#include "../image/tables.h"
#include "../storage/holes.h"

#define L1_PART_BYTES (64u << 10)

void q2_refs_free(struct q2_refs *refs)
{
	q2_clusters_free(&refs->metadata);
	q2_clusters_free(&refs->l2_tables);
	q2_clusters_free(&refs->twice);
}

enum qcow2bm_code q2_refs_add_bytes(struct q2_clusters *set,
				    const struct qcow2bm_image *image, uint64_t off,
				    uint64_t bytes, struct qcow2bm_error *err)
{
	unsigned bits = image->header.cluster_bits;
	uint64_t first = off >> bits;
	return q2_clusters_add(set, first, q2_shift_up(off + bytes, bits) - first, err);
}

/* As q2_refs_add_bytes(), for a structure that the image needs. */
static enum qcow2bm_code add_structure(struct q2_clusters *set,
				       const struct qcow2bm_image *image,
				       const char *what, uint64_t off, uint64_t bytes,
				       struct qcow2bm_error *err)
{
	if (!q2_checked_within(off, bytes, q2_image_end(image)))
		return q2_fail(
			err, QCOW2BM_EIMAGE, off,
			"%s (%llu bytes at %llu) lies past the end of the file" QCOW2BM_SEE_CHECK,
			what, (unsigned long long)bytes, (unsigned long long)off);
	return q2_refs_add_bytes(set, image, off, bytes, err);
}

struct l1_table {
	uint64_t off;
	uint32_t entries;
};

struct l1_list {
	struct l1_table *tables;
	size_t count;
};

static enum qcow2bm_code note_l1(void *opaque, uint64_t off, uint32_t entries,
				 struct qcow2bm_error *err)
{
	struct l1_list *list = opaque;
	struct l1_table *grown =
		realloc(list->tables, (list->count + 1) * sizeof(*list->tables));
	if (grown == NULL)
		return q2_fail_memory(err, "L1 tables");
	list->tables = grown;
	list->tables[list->count++] = (struct l1_table){off, entries};
	return QCOW2BM_OK;
}

static int by_place(const void *a, const void *b)
{
	const struct l1_table *x = a, *y = b;
	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	return (x->entries < y->entries) - (x->entries > y->entries);
}

static enum qcow2bm_code add_l2_tables(struct q2_refs *refs, struct qcow2bm_image *image,
				       const uint8_t *l1, size_t entries, uint64_t l1_off,
				       struct qcow2bm_error *err)
{
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	for (size_t i = 0; i < entries; i++) {
		uint64_t off = q2_be64_load(l1 + i * 8) & Q2_MAPPING_L1_OFFSET_MASK;
		if (off == 0)
			continue;
		if (!q2_is_aligned(off, cluster_bytes) || off >= image->file_bytes)
			return q2_fail(
				err, QCOW2BM_EIMAGE, l1_off + i * 8,
				"an L1 table entry names an invalid place (%llu)" QCOW2BM_SEE_CHECK,
				(unsigned long long)off);
		enum qcow2bm_code code = q2_clusters_note(
			&refs->l2_tables, off >> image->header.cluster_bits, 1, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return QCOW2BM_OK;
}

struct l1_reader {
	struct q2_refs *refs;
	struct qcow2bm_image *image;
	struct q2_holes holes;
	struct q2_watch *watch;
	uint8_t part[L1_PART_BYTES];
};

static enum qcow2bm_code read_l1(struct l1_reader *reader, const struct l1_table *table,
				 struct qcow2bm_error *err)
{
	uint64_t bytes = (uint64_t)table->entries * 8;
	uint64_t off = table->off, end = off + bytes, stop;
	enum qcow2bm_code code = add_structure(&reader->refs->metadata, reader->image,
					       "an L1 table", off, bytes, err);
	while (code == QCOW2BM_OK &&
	       (off = q2_holes_skip(&reader->holes, off, end, &stop)) < end) {
		size_t part_bytes = (size_t)q2_min_u64(L1_PART_BYTES, stop - off);
		code = q2_watch_look(reader->watch, err);
		if (code == QCOW2BM_OK)
			code = q2_storage_read_padded(
				reader->image->storage, reader->part, part_bytes, off,
				q2_header_cluster_bytes(&reader->image->header), err);
		if (code == QCOW2BM_OK)
			code = add_l2_tables(reader->refs, reader->image, reader->part,
					     part_bytes / 8, off, err);
		off += part_bytes;
	}
	return code;
}

/* Tables at one place are read once; sound ones never overlap, so together they are no longer
 * than the file. A hostile image would keep us busy for ever otherwise. */
static enum qcow2bm_code read_each_l1(struct l1_reader *reader,
				      const struct l1_list *list,
				      struct qcow2bm_error *err)
{
	uint64_t end = 0;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < list->count; i++) {
		const struct l1_table *table = &list->tables[i];
		if (table->entries == 0 || (i > 0 && table[-1].off == table->off))
			continue;
		if (table->off < end)
			return q2_fail(
				err, QCOW2BM_EIMAGE, table->off,
				"the L1 tables of the snapshots overlap" QCOW2BM_SEE_CHECK);
		code = read_l1(reader, table, err);
		end = table->off + (uint64_t)table->entries * 8;
	}
	return code;
}

static enum qcow2bm_code read_l1_tables(struct q2_refs *refs, struct qcow2bm_image *image,
					struct q2_watch *watch, struct qcow2bm_error *err)
{
	struct l1_list list = {0};
	struct l1_reader *reader = malloc(sizeof(*reader));
	enum qcow2bm_code code =
		reader == NULL ? q2_fail_memory(err, "an L1 table") : QCOW2BM_OK;
	if (code == QCOW2BM_OK)
		code = note_l1(&list, image->header.l1_table_off,
			       image->header.l1_entries, err);
	if (code == QCOW2BM_OK)
		code = q2_snapshots_each_l1(image, note_l1, &list, err);
	if (code == QCOW2BM_OK && list.count > 1)
		qsort(list.tables, list.count, sizeof(*list.tables), by_place);
	if (code == QCOW2BM_OK) {
		*reader = (struct l1_reader){
			.refs = refs,
			.image = image,
			.holes = {.storage = image->storage, .length = image->file_bytes},
			.watch = watch,
		};
		code = read_each_l1(reader, &list, err);
	}
	free(reader);
	free(list.tables);
	return code;
}

static enum qcow2bm_code add_refcounts(struct q2_refs *refs, struct qcow2bm_image *image,
				       const struct q2_refcounts *refcounts,
				       struct qcow2bm_error *err)
{
	const struct q2_header *header = &image->header;
	enum qcow2bm_code code = add_structure(
		&refs->metadata, image, "the refcount table", header->refcount_table_off,
		(uint64_t)header->refcount_table_clusters << header->cluster_bits, err);
	for (uint64_t i = 0; code == QCOW2BM_OK && i < refcounts->table_entries; i++)
		if (refcounts->table[i] != 0)
			code = add_structure(&refs->metadata, image, "a refcount block",
					     refcounts->table[i],
					     q2_header_cluster_bytes(header), err);
	return code;
}

static enum qcow2bm_code add_encryption(struct q2_refs *refs, struct qcow2bm_image *image,
					struct qcow2bm_error *err)
{
	const struct q2_extension *extension =
		q2_extensions_find(image, Q2_EXTENSION_ENCRYPTION);
	if (extension == NULL)
		return QCOW2BM_OK;
	struct q2_encryption_extension place;
	enum qcow2bm_code code = q2_encryption_extension_decode(
		&place, q2_extensions_data(image, extension), extension->bytes,
		extension->head_off, err);
	if (code != QCOW2BM_OK)
		return code;
	return add_structure(&refs->metadata, image, "the encryption header",
			     place.header_off, place.header_bytes, err);
}

enum qcow2bm_code q2_refs_load(struct q2_refs *refs, struct qcow2bm_image *image,
			       const struct q2_refcounts *refcounts,
			       struct q2_watch *watch, struct qcow2bm_error *err)
{
	memset(refs, 0, sizeof(*refs));
	enum qcow2bm_code code = q2_clusters_add(&refs->metadata, 0, 1, err);
	if (code == QCOW2BM_OK)
		code = add_refcounts(refs, image, refcounts, err);
	if (code == QCOW2BM_OK)
		code = read_l1_tables(refs, image, watch, err);
	if (code == QCOW2BM_OK && image->snapshot_table != NULL)
		code = add_structure(&refs->metadata, image, "the snapshot table",
				     image->header.snapshots_off,
				     image->snapshot_table_bytes, err);
	if (code == QCOW2BM_OK)
		code = add_encryption(refs, image, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&refs->l2_tables, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&refs->metadata, &refs->l2_tables, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&refs->metadata, &refs->twice, err);
	if (code != QCOW2BM_OK)
		q2_refs_free(refs);
	return code;
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
