/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading bits: of a committed bitmap, adjacent clusters in one read. */
#include "source.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../bits/uniform.h"
#include "../format/mapping.h"
#include "../image/tables.h"

#define VISIT_WORDS 32768 /* 256 KiB: fits the second level cache */

static enum qcow2bm_code open_bitmap(struct q2_source *source,
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

enum qcow2bm_code q2_source_open(struct q2_source *source, struct qcow2bm_image *image,
				 size_t idx, struct qcow2bm_error *err)
{
	const struct q2_bitmap *bitmap = &image->directory.bitmaps[idx];
	if (bitmap->entry.granularity_bits > Q2_DIRECTORY_FORMAT_MAX_GRANULARITY_BITS)
		return q2_fail(err, QCOW2BM_EIMAGE, bitmap->off, "%s", bitmap->problem);
	*source = (struct q2_source){.origin = Q2_SOURCE_BITMAP};
	return open_bitmap(source, image, bitmap, err);
}

enum qcow2bm_code q2_source_open_carved(struct q2_source *source,
					struct qcow2bm_image *image, uint64_t table_off,
					uint32_t table_entries, uint8_t granularity_bits,
					struct qcow2bm_error *err)
{
	*source = (struct q2_source){
		.is_carved = true,
		.carved = {.off = table_off,
			   .entry = {.table_off = table_off,
				     .table_entries = table_entries,
				     .granularity_bits = granularity_bits}},
	};
	return open_bitmap(source, image, &source->carved, err);
}

void q2_source_open_all(struct q2_source *source, struct qcow2bm_image *image)
{
	unsigned cluster_bits = image->header.cluster_bits;
	*source = (struct q2_source){
		.origin = Q2_SOURCE_ALL,
		.image = image,
		.granularity_bits = cluster_bits,
		.shape = q2_table_shape(image->header.virtual_bytes, cluster_bits,
					cluster_bits),
	};
}

void q2_source_close(struct q2_source *source)
{
	free(source->table);
	free(source->l2_part);
	source->table = NULL;
	source->l2_part = NULL;
}

static uint64_t entry_at(const struct q2_source *source, uint64_t idx)
{
	return idx < source->table_entries ? source->table[idx] : Q2_TABLE_ZEROS;
}

enum q2_source_kind q2_source_classify(const struct q2_source *source, uint64_t first,
				       uint64_t bits)
{
	uint64_t end = q2_min_u64(first + bits, source->shape.bits);
	if (first >= end)
		return Q2_SOURCE_ZEROS;
	if (source->origin == Q2_SOURCE_ALL)
		return Q2_SOURCE_ONES;
	if (source->origin == Q2_SOURCE_ALLOCATED)
		return q2_allocated_classify(source, first, end);
	uint64_t idx = first / source->shape.bits_per_cluster;
	uint64_t last = (end - 1) / source->shape.bits_per_cluster;
	uint64_t entry = entry_at(source, idx);
	if (q2_table_is_data(entry))
		return Q2_SOURCE_MIXED;
	while (++idx <= last)
		if (entry_at(source, idx) != entry)
			return Q2_SOURCE_MIXED;
	return entry == Q2_TABLE_ONES ? Q2_SOURCE_ONES : Q2_SOURCE_ZEROS;
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

/* Fills words with the bits [first, first+bits), all inside the shape. */
static enum qcow2bm_code read_bits(const struct q2_source *source, uint64_t first,
				   uint64_t bits, uint64_t *words,
				   struct qcow2bm_error *err)
{
	size_t bytes = (size_t)q2_shift_up(bits, 3);
	if (source->origin == Q2_SOURCE_BITMAP)
		return read_bytes(source, first / 8, bytes, (uint8_t *)words, err);
	memset(words, source->origin == Q2_SOURCE_ALL ? 0xff : 0, bytes);
	return source->origin == Q2_SOURCE_ALL
		       ? QCOW2BM_OK
		       : q2_allocated_read(source, first, bits, words, err);
}

enum qcow2bm_code q2_source_read(const struct q2_source *source, uint64_t first,
				 uint64_t bits, uint64_t *words,
				 struct qcow2bm_error *err)
{
	size_t count = (size_t)q2_shift_up(bits, 6);
	uint64_t have = first >= source->shape.bits
				? 0
				: q2_min_u64(bits, source->shape.bits - first);
	size_t have_bytes = (size_t)q2_shift_up(have, 3);
	memset((uint8_t *)words + have_bytes, 0, count * 8 - have_bytes);
	enum qcow2bm_code code = read_bits(source, first, have, words, err);
	if (code == QCOW2BM_OK && have < (uint64_t)count * 64)
		q2_uniform_clear_tail(words, count, have);
	return code;
}

uint64_t q2_source_read_bytes(const struct q2_source *source, uint64_t bits)
{
	if (source->origin == Q2_SOURCE_ALL)
		return 0;
	if (source->origin == Q2_SOURCE_ALLOCATED)
		return q2_shift_up(bits, source->entry_bits)
		       << q2_mapping_entry_shift(source->entry_bits != 0);
	return q2_shift_up(bits, 3);
}

static enum qcow2bm_code visit_piece(const struct q2_source *source, uint64_t first,
				     uint64_t end, uint64_t *words, q2_source_fn *fn,
				     void *opaque, uint64_t *stopped,
				     struct qcow2bm_error *err)
{
	uint64_t per_cluster = source->shape.bits_per_cluster;
	uint64_t idx = first / per_cluster;
	uint64_t entry = entry_at(source, idx);
	uint64_t run = run_length(source, idx, (end - 1) / per_cluster - idx + 1);
	uint64_t piece_end = q2_min_u64((idx + run) * per_cluster, end);
	if (!q2_table_is_data(entry)) {
		*stopped = piece_end;
		return fn(opaque, first, piece_end - first, NULL, entry == Q2_TABLE_ONES,
			  err);
	}
	*stopped = q2_min_u64(piece_end, first + (uint64_t)VISIT_WORDS * 64);
	enum qcow2bm_code code =
		q2_source_read(source, first, *stopped - first, words, err);
	return code != QCOW2BM_OK
		       ? code
		       : fn(opaque, first, *stopped - first, words, false, err);
}

enum qcow2bm_code q2_source_visit(const struct q2_source *source, uint64_t first,
				  uint64_t end, q2_source_fn *fn, void *opaque,
				  struct qcow2bm_error *err)
{
	uint64_t *words = malloc(VISIT_WORDS * sizeof(*words));
	if (words == NULL)
		return q2_fail_memory(err, "bitmap data");
	enum qcow2bm_code code = QCOW2BM_OK;
	first -= first % 64;
	while (code == QCOW2BM_OK && first < end)
		code = visit_piece(source, first, end, words, fn, opaque, &first, err);
	free(words);
	return code;
}
