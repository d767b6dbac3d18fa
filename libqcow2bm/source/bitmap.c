/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bits of a committed bitmap as a source: adjacent clusters in one read. */
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../image/tables.h"
#include "source.h"

enum qcow2bm_code q2_source_load_table(struct q2_source *source,
				       struct qcow2bm_image *image,
				       const struct q2_bitmap *bitmap,
				       struct qcow2bm_error *err)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	source->image = image;
	source->bitmap = bitmap;
	source->granularity_bits = entry->granularity_bits;
	source->shape =
		q2_table_shape(image->header.virtual_bytes, entry->granularity_bits,
			       image->header.cluster_bits);
	source->table_entries = entry->table_entries;
	return q2_tables_load(image, bitmap, &source->table, err);
}

static uint64_t entry_at(const struct q2_source *source, uint64_t idx)
{
	return idx < source->table_entries ? source->table[idx] : Q2_TABLE_ZEROS;
}

enum q2_uniform q2_source_classify_table(const struct q2_source *source, uint64_t first,
					 uint64_t end)
{
	uint64_t idx = first / source->shape.bits_per_cluster;
	uint64_t last = (end - 1) / source->shape.bits_per_cluster;
	uint64_t entry = entry_at(source, idx);
	if (q2_table_is_data(entry))
		return Q2_UNIFORM_MIXED;
	while (++idx <= last)
		if (entry_at(source, idx) != entry)
			return Q2_UNIFORM_MIXED;
	return entry == Q2_TABLE_ONES ? Q2_UNIFORM_ONES : Q2_UNIFORM_ZEROS;
}

/* How many clusters from idx on, up to `most`, can be taken as one: all-zero, all-one, or data
 * that is adjacent in the file. */
static uint64_t run_length(const struct q2_source *source, uint64_t idx, uint64_t most)
{
	uint64_t entry = entry_at(source, idx), n = 1;
	uint64_t step = q2_table_is_data(entry)
				? q2_header_cluster_bytes(&source->image->header)
				: 0;
	while (n < most && entry_at(source, idx + n) == entry + n * step)
		n++;
	return n;
}

/* Fills the bytes [at, at+bytes) of the bitmap's data, all inside its shape. */
static enum qcow2bm_code read_bytes(const struct q2_source *source, uint64_t at,
				    size_t bytes, uint8_t *buf, struct qcow2bm_error *err)
{
	unsigned cluster_bits = source->image->header.cluster_bits;
	uint64_t cluster_bytes = (uint64_t)1 << cluster_bits;
	while (bytes != 0) {
		uint64_t idx = at >> cluster_bits;
		uint64_t in_cluster = at & (cluster_bytes - 1);
		uint64_t most = q2_shift_up(in_cluster + bytes, cluster_bits);
		uint64_t run = run_length(source, idx, most);
		size_t part =
			(size_t)q2_min_u64((run << cluster_bits) - in_cluster, bytes);
		uint64_t entry = entry_at(source, idx);
		if (q2_table_is_data(entry)) {
			enum qcow2bm_code code =
				q2_storage_read(source->image->storage, buf, part,
						entry + in_cluster, err);
			if (code != QCOW2BM_OK)
				return code;
		} else {
			memset(buf, entry == Q2_TABLE_ONES ? 0xff : 0, part);
		}
		at += part;
		buf += part;
		bytes -= part;
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_source_read_table(const struct q2_source *source, uint64_t first,
				       uint64_t end, uint64_t *words,
				       struct qcow2bm_error *err)
{
	return read_bytes(source, first / 8, (size_t)q2_shift_up(end - first, 3),
			  (uint8_t *)words, err);
}

uint64_t q2_source_cost_table(const struct q2_source *source, uint64_t bits)
{
	(void)source;
	return q2_shift_up(bits, 3);
}

static const struct q2_source_ops bitmap_ops = {
	.kind = Q2_SOURCE_BITMAP,
	.classify = q2_source_classify_table,
	.read = q2_source_read_table,
	.cost = q2_source_cost_table,
};

enum qcow2bm_code q2_source_open_bitmap(struct q2_source *source,
					struct qcow2bm_image *image, size_t idx,
					struct qcow2bm_error *err)
{
	const struct q2_bitmap *bitmap = &image->directory.bitmaps[idx];
	if (bitmap->entry.granularity_bits > Q2_DIRECTORY_FORMAT_MAX_GRANULARITY_BITS)
		return q2_fail(err, QCOW2BM_EIMAGE, bitmap->off, "%s", bitmap->problem);
	*source = (struct q2_source){.ops = &bitmap_ops};
	return q2_source_load_table(source, image, bitmap, err);
}
