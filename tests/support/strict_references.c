/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The strict reader: refcounts, and who names which cluster. */
#include "strict_reader.h"

#include <inttypes.h>
#include <string.h>

#define OFFSET_MASK 0x00fffffffffffe00u

static uint64_t cluster_bytes(const struct strict_image *image)
{
	return (uint64_t)1 << image->cluster_bits;
}

void strict_refer(struct strict_image *image, const char *what, uint64_t off,
		  uint64_t bytes)
{
	if (bytes == 0)
		return;
	uint64_t first = off >> image->cluster_bits;
	uint64_t last = (off + bytes - 1) >> image->cluster_bits;
	if (last < first || last >= image->clusters) {
		strict_complain(image, "%s at %" PRIu64 " is not counted by any refcount",
				what, off);
		return;
	}
	for (uint64_t i = first; i <= last; i++)
		image->references[i]++;
}

static uint64_t load_refcount(const uint8_t *block, unsigned order, uint64_t idx)
{
	if (order >= 3)
		return strict_load(block + (idx << (order - 3)), 1u << (order - 3));
	uint64_t bit = idx << order;
	return (uint64_t)(block[bit / 8] >> bit % 8) & ((1u << (1u << order)) - 1);
}

static void read_block(struct strict_image *image, uint64_t block_idx, uint64_t off)
{
	unsigned shift = image->cluster_bits + 3 - image->refcount_order;
	const uint8_t *block =
		strict_range(image, "a refcount block", off, cluster_bytes(image));
	if (block == NULL || off % cluster_bytes(image) != 0) {
		strict_complain(image, "a refcount block at %" PRIu64 " is not aligned",
				off);
		return;
	}
	uint64_t base = block_idx << shift;
	for (uint64_t i = 0; i < (uint64_t)1 << shift; i++) {
		/* Most of a block is zero. */
		static const uint8_t zeros[64];
		uint64_t at = (i << image->refcount_order) / 8;
		if (at % 64 == 0 && (i << image->refcount_order) % 8 == 0 &&
		    memcmp(block + at, zeros, 64) == 0) {
			i += ((uint64_t)512 >> image->refcount_order) - 1;
			continue;
		}
		image->refcounts[base + i] =
			load_refcount(block, image->refcount_order, i);
	}
}

bool strict_read_refcounts(struct strict_image *image)
{
	unsigned shift = image->cluster_bits + 3 - image->refcount_order;
	uint64_t entries =
		((uint64_t)image->refcount_table_clusters << image->cluster_bits) / 8;
	const uint8_t *table = strict_range(image, "the refcount table",
					    image->refcount_table_off, entries * 8);
	if (table == NULL)
		return false;
	image->clusters =
		(image->length + cluster_bytes(image) - 1) >> image->cluster_bits;
	for (uint64_t i = 0; i < entries; i++)
		if (strict_load(table + i * 8, 8) != 0 &&
		    (i + 1) << shift > image->clusters)
			image->clusters = (i + 1) << shift;
	image->refcounts = strict_alloc(image->clusters, sizeof(*image->refcounts));
	image->references = strict_alloc(image->clusters, sizeof(*image->references));
	strict_refer(image, "the header", 0, 1);
	strict_refer(image, "the refcount table", image->refcount_table_off, entries * 8);
	for (uint64_t i = 0; i < entries; i++) {
		uint64_t off = strict_load(table + i * 8, 8);
		if (off == 0)
			continue;
		image->refcount_blocks++;
		read_block(image, i, off);
		strict_refer(image, "a refcount block", off, cluster_bytes(image));
	}
	return true;
}

const uint8_t *strict_visit(struct strict_image *image, const char *what, uint64_t off,
			    uint64_t bytes)
{
	strict_refer(image, what, off, bytes);
	const uint8_t *start = strict_range(image, what, off, bytes);
	strict_sum_number(&image->guest_sum, off);
	if (start != NULL)
		strict_sum(&image->guest_sum, start, bytes);
	return start;
}

static void visit_data(struct strict_image *image, uint64_t entry)
{
	uint64_t off = entry & OFFSET_MASK, bytes = cluster_bytes(image);
	if (entry >> 62 & 1) {
		unsigned bits = 62 - (image->cluster_bits - 8);
		off = entry & (((uint64_t)1 << bits) - 1);
		uint64_t sectors = (entry & (((uint64_t)1 << 62) - 1)) >> bits;
		bytes = (sectors + 1) * 512 - off % 512;
	} else if (off == 0) {
		return;
	}
	/* The last compressed cluster, and the last one of all, may end with the file. */
	strict_refer(image, "guest data", off, bytes);
	strict_sum_number(&image->guest_sum, off);
	if (off > image->length)
		strict_complain(image, "guest data at %" PRIu64 " is past the file's end",
				off);
	else
		strict_sum(&image->guest_sum, image->bytes + off,
			   bytes < image->length - off ? bytes : image->length - off);
}

static void visit_l1(struct strict_image *image, uint64_t l1_off, uint64_t entries)
{
	uint64_t incompatible = strict_load(image->bytes + 72, 8);
	bool is_external = incompatible >> 2 & 1;
	unsigned entry_bytes = incompatible >> 4 & 1 ? 16 : 8;
	const uint8_t *l1 = strict_visit(image, "an L1 table", l1_off, entries * 8);
	for (uint64_t i = 0; l1 != NULL && i < entries; i++) {
		uint64_t off = strict_load(l1 + i * 8, 8) & OFFSET_MASK;
		if (off == 0)
			continue;
		const uint8_t *l2 =
			strict_visit(image, "an L2 table", off, cluster_bytes(image));
		for (uint64_t j = 0;
		     l2 != NULL && !is_external && j < cluster_bytes(image);
		     j += entry_bytes) {
			uint64_t entry = strict_load(l2 + j, 8);
			if (entry != 0)
				visit_data(image, entry);
		}
	}
}

static void visit_snapshots(struct strict_image *image)
{
	uint64_t count = strict_load(image->bytes + 60, 4);
	uint64_t table_off = strict_load(image->bytes + 64, 8), off = table_off;
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *entry = strict_range(image, "a snapshot", off, 40);
		if (entry == NULL)
			return;
		visit_l1(image, strict_load(entry, 8), strict_load(entry + 8, 4));
		uint64_t bytes = 40 + strict_load(entry + 36, 4) +
				 strict_load(entry + 12, 2) + strict_load(entry + 14, 2);
		/* The file may end before the padding of the last one. */
		if (i + 1 < count)
			bytes = (bytes + 7) / 8 * 8;
		off += bytes;
	}
	strict_visit(image, "the snapshot table", table_off, off - table_off);
}

void strict_walk_guest(struct strict_image *image)
{
	visit_l1(image, image->l1_off, strict_load(image->bytes + 36, 4));
	visit_snapshots(image);
}

void strict_compare(struct strict_image *image)
{
	for (uint64_t i = 0; i < image->clusters; i++) {
		if (image->refcounts[i] < image->references[i])
			strict_complain(image,
					"cluster %" PRIu64 " is named %" PRIu32
					" times and counted %" PRIu64 " times",
					i, image->references[i], image->refcounts[i]);
		image->leaks += image->refcounts[i] > image->references[i];
	}
}
