/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* L1 tables of the disk and of its snapshots: which L2 tables they name. */
#include "l1.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../format/mapping.h"
#include "../image/snapshots.h"

#define PART_BYTES (64u << 10)

static enum qcow2bm_code add(void *opaque, uint64_t off, uint32_t entries,
			     struct qcow2bm_error *err)
{
	struct q2_l1_list *list = opaque;
	size_t count = list->count;
	/* Powers of two are where the array is full. */
	if ((count & (count - 1)) == 0) {
		struct q2_l1_table *grown =
			realloc(list->tables,
				(count == 0 ? 1 : count * 2) * sizeof(*list->tables));
		if (grown == NULL)
			return q2_fail_memory(err, "L1 tables");
		list->tables = grown;
	}
	list->tables[list->count++] = (struct q2_l1_table){off, entries, 1, count == 0};
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_l1_collect(struct q2_l1_list *list, struct qcow2bm_image *image,
				const struct q2_faults *faults, struct qcow2bm_error *err)
{
	struct qcow2bm_error problem = {0};
	enum qcow2bm_code code =
		add(list, image->header.l1_table_off, image->header.l1_entries, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_snapshots_each_l1(image, add, list, &problem);
	if (code == QCOW2BM_EIMAGE && faults != NULL) {
		q2_faults_tell(faults, Q2_FAULT_SNAPSHOTS, problem.offset);
		return QCOW2BM_OK;
	}
	return code == QCOW2BM_OK ? QCOW2BM_OK : q2_pass(err, &problem);
}

void q2_l1_free(struct q2_l1_list *list)
{
	free(list->tables);
	memset(list, 0, sizeof(*list));
}

static int by_place(const void *a, const void *b)
{
	const struct q2_l1_table *x = a, *y = b;
	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	return (x->entries < y->entries) - (x->entries > y->entries);
}

static enum qcow2bm_code refuse_place(const struct qcow2bm_image *image,
				      const struct q2_l1_table *table,
				      struct qcow2bm_error *err)
{
	unsigned long long bytes = (unsigned long long)table->entries * Q2_L1_ENTRY_BYTES;
	if (!q2_is_aligned(table->off, q2_header_cluster_bytes(&image->header)))
		return q2_fail(
			err, QCOW2BM_EIMAGE, table->off,
			"an L1 table is at %llu, not at a multiple of the cluster size" QCOW2BM_SEE_CHECK,
			(unsigned long long)table->off);
	if (q2_checked_within(table->off, bytes, q2_image_end(image)))
		return q2_fail(
			err, QCOW2BM_EIMAGE, table->off,
			"the L1 tables of the snapshots overlap" QCOW2BM_SEE_CHECK);
	return q2_fail(
		err, QCOW2BM_EIMAGE, table->off,
		"an L1 table (%llu bytes at %llu) lies past the end of the file" QCOW2BM_SEE_CHECK,
		bytes, (unsigned long long)table->off);
}

enum qcow2bm_code q2_l1_sift(struct q2_l1_list *list, const struct qcow2bm_image *image,
			     const struct q2_faults *faults, struct qcow2bm_error *err)
{
	struct q2_l1_table *tables = list->tables, *last = NULL;
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header), end = 0;
	size_t kept = 0;
	qsort(tables, list->count, sizeof(*tables), by_place);
	for (size_t i = 0; i < list->count; i++) {
		uint64_t bytes = (uint64_t)tables[i].entries * Q2_L1_ENTRY_BYTES;
		bool is_there = last != NULL && last->off == tables[i].off;
		if (bytes == 0)
			continue;
		if (is_there && last->entries == tables[i].entries) {
			last->times++;
			last->is_active |= tables[i].is_active;
			continue;
		}
		if (!q2_is_aligned(tables[i].off, cluster_bytes) || tables[i].off < end ||
		    !q2_checked_within(tables[i].off, bytes, q2_image_end(image))) {
			/* The longer one at the same place has been read. */
			if (faults == NULL && !is_there)
				return refuse_place(image, &tables[i], err);
			q2_faults_tell(faults, Q2_FAULT_L1_PLACE, tables[i].off);
			continue;
		}
		end = tables[i].off + bytes;
		last = &tables[kept++];
		*last = tables[i];
	}
	list->count = kept;
	return QCOW2BM_OK;
}

struct reader {
	const struct qcow2bm_image *image;
	const struct q2_l1_table *table;
	const struct q2_faults *faults;
	q2_l1_fn *fn;
	void *opaque;
};

static enum qcow2bm_code look(const struct reader *reader, uint64_t value, uint64_t off,
			      struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = reader->image;
	struct q2_l1_entry entry = {
		.idx = (off - reader->table->off) / Q2_L1_ENTRY_BYTES,
		.off = off,
		.l2_off = value & Q2_MAPPING_L1_OFFSET_MASK,
		.is_copied = value & Q2_MAPPING_COPIED,
	};
	/* QEMU takes one without a place for an L2 table in the header, too. */
	if ((value & Q2_MAPPING_L1_RESERVED) != 0 || entry.l2_off == 0)
		q2_faults_tell(reader->faults, Q2_FAULT_L1_RESERVED, off);
	if (entry.l2_off == 0)
		return QCOW2BM_OK;
	if (q2_is_aligned(entry.l2_off, q2_header_cluster_bytes(&image->header)) &&
	    entry.l2_off < image->file_bytes)
		return reader->fn(reader->opaque, reader->table, &entry, err);
	if (reader->faults == NULL)
		return q2_fail(
			err, QCOW2BM_EIMAGE, off,
			"an L1 table entry names an invalid place (%llu)" QCOW2BM_SEE_CHECK,
			(unsigned long long)entry.l2_off);
	q2_faults_tell(reader->faults, Q2_FAULT_L2_PLACE, off);
	return QCOW2BM_OK;
}

static enum qcow2bm_code look_through(const struct reader *reader, const uint8_t *part,
				      size_t bytes, uint64_t off,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t at = 0; code == QCOW2BM_OK && at < bytes; at += Q2_L1_ENTRY_BYTES) {
		uint64_t value = q2_be64_load(part + at);
		if (value != 0)
			code = look(reader, value, off + at, err);
	}
	return code;
}

enum qcow2bm_code q2_l1_read(struct qcow2bm_image *image, const struct q2_l1_table *table,
			     struct q2_watch *watch, const struct q2_faults *faults,
			     q2_l1_fn *fn, void *opaque, struct qcow2bm_error *err)
{
	struct reader reader = {image, table, faults, fn, opaque};
	struct q2_holes holes = {.storage = image->storage, .length = image->file_bytes};
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	uint64_t off = table->off, stop;
	uint64_t end = off + (uint64_t)table->entries * Q2_L1_ENTRY_BYTES;
	uint8_t *part = malloc((size_t)q2_min_u64(PART_BYTES, end - off + 1));
	if (part == NULL)
		return q2_fail_memory(err, "an L1 table");
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK &&
	       (off = q2_holes_skip(&holes, off, end, &stop)) < end) {
		size_t bytes = (size_t)q2_min_u64(PART_BYTES, stop - off);
		code = q2_watch_look(watch, err);
		if (code == QCOW2BM_OK)
			code = q2_storage_read_padded(image->storage, part, bytes, off,
						      cluster_bytes, err);
		if (code == QCOW2BM_OK)
			code = look_through(&reader, part, bytes, off, err);
		off += bytes;
	}
	free(part);
	return code;
}
