/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting dirty bits entry by entry: a table is never in memory, adjacent data is one read. */
#include "dirty.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../bits/count.h"
#include "../format/table.h"
#include "../image/tables.h"
#include "../storage/holes.h"

#define PIECE_BYTES ((size_t)256 << 10) /* fits the second level cache */
#define SHORT_BYTES 4096u /* so much is read for less than it costs to ask for holes */

struct counter {
	const struct qcow2bm_image *image;
	struct q2_holes holes;
	uint64_t bits_per_cluster;
	uint64_t first_bit, end_bit; /* that are counted; none: nothing is read */
	uint64_t ones;
	bool first_is_set, last_is_set;
	uint64_t data_clusters;
	/* Data clusters that are adjacent in the file, not counted yet. */
	uint64_t run_idx, run_off, run_clusters;
	uint64_t *piece;
	struct q2_parts *parts; /* NULL: nobody asks where they lie */
};

static void add_ones(struct counter *counter, uint64_t first, uint64_t end)
{
	counter->ones += end - first;
	counter->first_is_set |= first == counter->first_bit;
	counter->last_is_set |= end == counter->end_bit;
	if (counter->parts != NULL)
		q2_parts_add_ones(counter->parts, first, end);
}

static bool has_bit(const struct counter *counter, uint64_t at)
{
	return ((const uint8_t *)counter->piece)[at / 8] >> (at % 8) & 1;
}

/* Counts bits [first, end), which begin in the first word of the piece; its bit 0 is number `base`. */
static void count_piece(struct counter *counter, uint64_t base, uint64_t first,
			uint64_t end)
{
	uint8_t *bytes = (uint8_t *)counter->piece;
	size_t from = (size_t)(first - base), to = (size_t)(end - base);
	size_t words = (to + 63) / 64;
	memset(bytes + (to + 7) / 8, 0, words * 8 - (to + 7) / 8);
	if (to % 8 != 0)
		bytes[to / 8] &= (uint8_t) ~(0xffu << (to % 8));
	memset(bytes, 0, from / 8);
	bytes[from / 8] &= (uint8_t)(0xffu << (from % 8));
	counter->ones += q2_count_ones(counter->piece, words);
	counter->first_is_set |= first == counter->first_bit && has_bit(counter, from);
	counter->last_is_set |= end == counter->end_bit && has_bit(counter, to - 1);
	if (counter->parts != NULL)
		q2_parts_add_words(counter->parts, counter->piece, base, first, end);
}

static enum qcow2bm_code count_run(struct counter *counter, struct qcow2bm_error *err)
{
	struct q2_storage *storage = counter->image->storage;
	uint64_t run_bit = counter->run_idx * counter->bits_per_cluster;
	uint64_t first = q2_max_u64(counter->first_bit, run_bit);
	uint64_t end =
		q2_min_u64(counter->end_bit,
			   run_bit + counter->run_clusters * counter->bits_per_cluster);
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK && counter->run_clusters != 0 && first < end) {
		uint64_t base = first - first % 64;
		uint64_t stop = q2_min_u64(end, base + PIECE_BYTES * 8);
		uint64_t off = counter->run_off + (base - run_bit) / 8;
		size_t bytes = (size_t)q2_shift_up(stop - base, 3);
		if (bytes <= SHORT_BYTES ||
		    !q2_holes_is_empty(&counter->holes, off, off + bytes)) {
			code = q2_storage_read(storage, counter->piece, bytes, off, err);
			if (code == QCOW2BM_OK)
				count_piece(counter, base, first, stop);
		}
		first = stop;
	}
	counter->run_clusters = 0;
	return code;
}

static enum qcow2bm_code count_entry(void *opaque, uint32_t idx, uint64_t entry,
				     struct qcow2bm_error *err)
{
	struct counter *counter = opaque;
	uint64_t first = q2_max_u64(counter->first_bit, idx * counter->bits_per_cluster);
	uint64_t end = q2_min_u64(counter->end_bit,
				  (idx + (uint64_t)1) * counter->bits_per_cluster);
	counter->data_clusters += q2_table_is_data(entry);
	if (first >= end)
		return QCOW2BM_OK;
	if (entry == Q2_TABLE_ONES) {
		add_ones(counter, first, end);
		return QCOW2BM_OK;
	}
	unsigned cluster_bits = counter->image->header.cluster_bits;
	if (counter->run_clusters != 0 &&
	    idx == counter->run_idx + counter->run_clusters &&
	    entry == counter->run_off + (counter->run_clusters << cluster_bits)) {
		counter->run_clusters++;
		return QCOW2BM_OK;
	}
	enum qcow2bm_code code = count_run(counter, err);
	counter->run_idx = idx;
	counter->run_off = entry;
	counter->run_clusters = 1;
	return code;
}

/* The first and the last bit stand for no more of the disk than the range has of it. */
static uint64_t dirty_bytes(const struct counter *counter, unsigned granularity_bits,
			    uint64_t start, uint64_t length)
{
	uint64_t bytes = counter->ones << granularity_bits;
	if (counter->first_is_set)
		bytes -= start - (counter->first_bit << granularity_bits);
	if (counter->last_is_set)
		bytes -= (counter->end_bit << granularity_bits) - (start + length);
	return bytes;
}

/* No larger than what is read at once: 65535 bitmaps are counted one after the other. */
static uint64_t *alloc_piece(const struct counter *counter)
{
	uint64_t bits = counter->end_bit - counter->first_bit + 63;
	return malloc((size_t)q2_min_u64(PIECE_BYTES, 8 * (q2_shift_up(bits, 6) + 1)));
}

enum qcow2bm_code q2_dirty_count(const struct qcow2bm_image *image,
				 const struct q2_bitmap *bitmap, uint64_t start,
				 uint64_t length, bool count_bits, struct q2_parts *parts,
				 struct q2_dirty *dirty, struct qcow2bm_error *err)
{
	unsigned bits = bitmap->entry.granularity_bits;
	struct counter counter = {
		.image = image,
		.holes = {.storage = image->storage, .length = image->file_bytes},
		.bits_per_cluster = (uint64_t)8 << image->header.cluster_bits,
		.parts = parts,
	};
	if (bits > Q2_DIRECTORY_FORMAT_MAX_GRANULARITY_BITS)
		return q2_fail(err, QCOW2BM_EIMAGE, bitmap->off, "%s", bitmap->problem);
	if (count_bits && length != 0) {
		counter.first_bit = start >> bits;
		counter.end_bit = q2_shift_up(start + length, bits);
	}
	counter.piece = alloc_piece(&counter);
	if (counter.piece == NULL)
		return q2_fail_memory(err, "bitmap data");
	enum qcow2bm_code code =
		q2_tables_scan(image, bitmap, count_entry, &counter, err);
	if (code == QCOW2BM_OK)
		code = count_run(&counter, err);
	free(counter.piece);
	*dirty = (struct q2_dirty){.data_clusters = counter.data_clusters};
	if (count_bits && length != 0)
		dirty->bytes = dirty_bytes(&counter, bits, start, length);
	return code;
}
