/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The strict reader: header, header extensions and bitmaps. */
#include "strict_reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BITMAPS 0x23852875u
#define ENCRYPTION 0x0537be77u

void strict_complain(struct strict_image *image, const char *format, ...)
{
	if (image->problems++ > 0)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(image->problem, sizeof(image->problem), format, args);
	va_end(args);
}

const uint8_t *strict_range(struct strict_image *image, const char *what, uint64_t off,
			    uint64_t bytes)
{
	if (off <= image->length && bytes <= image->length - off)
		return image->bytes + off;
	strict_complain(image,
			"%s (%" PRIu64 " bytes at %" PRIu64 ") ends past the file's end",
			what, bytes, off);
	return NULL;
}

/* Four sums side by side, because one would wait for each multiplication. */
static void sum_blocks(uint64_t *sum, const uint8_t *bytes, uint64_t blocks)
{
	uint64_t sums[4] = {1, 2, 3, 4}, words[4];
	for (; blocks > 0; bytes += sizeof(words), blocks--) {
		memcpy(words, bytes, sizeof(words));
		for (int i = 0; i < 4; i++)
			strict_sum_number(&sums[i], words[i]);
	}
	for (int i = 0; i < 4; i++)
		strict_sum_number(sum, sums[i]);
}

void strict_sum(uint64_t *sum, const uint8_t *bytes, uint64_t count)
{
	uint64_t blocks = count / 32;
	if (blocks > 0)
		sum_blocks(sum, bytes, blocks);
	bytes += blocks * 32;
	count -= blocks * 32;
	for (; count >= 8; bytes += 8, count -= 8) {
		uint64_t word;
		memcpy(&word, bytes, 8);
		strict_sum_number(sum, word);
	}
	for (; count > 0; bytes++, count--)
		strict_sum_number(sum, *bytes);
}

void *strict_alloc(uint64_t count, uint64_t bytes)
{
	void *memory = calloc(count + 1, bytes);
	if (memory == NULL)
		abort();
	return memory;
}

static void *copy(const uint8_t *bytes, uint64_t count)
{
	void *memory = strict_alloc(count, 1);
	memcpy(memory, bytes, count);
	return memory;
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/* ---- Header --------------------------------------------------------------------- */

/* Sums the header but backing_file_offset, refcount table and autoclear bit 0; other
 * autoclear bits have rules of their own. */
static void sum_header(struct strict_image *image, uint64_t header_bytes)
{
	const uint8_t *bytes = image->bytes;
	strict_sum(&image->header_sum, bytes, 8);
	strict_sum(&image->header_sum, bytes + 16, 48 - 16);
	strict_sum(&image->header_sum, bytes + 60, 88 - 60);
	strict_sum(&image->header_sum, bytes + 96, header_bytes - 96);
}

static uint64_t read_header(struct strict_image *image)
{
	const uint8_t *bytes = strict_range(image, "the header", 0, 104);
	if (bytes == NULL)
		return 0;
	uint64_t header_bytes = strict_load(bytes + 100, 4);
	image->cluster_bits = (unsigned)strict_load(bytes + 20, 4);
	image->refcount_order = (unsigned)strict_load(bytes + 96, 4);
	if (strict_load(bytes, 4) != 0x514649fb || strict_load(bytes + 4, 4) != 3 ||
	    image->cluster_bits < 9 || image->cluster_bits > 21 ||
	    image->refcount_order > 6 || header_bytes < 104 || header_bytes % 8 != 0 ||
	    header_bytes > (uint64_t)1 << image->cluster_bits ||
	    strict_range(image, "the header", 0, header_bytes) == NULL) {
		strict_complain(image, "the header is no header of version 3");
		return 0;
	}
	image->backing_off = strict_load(bytes + 8, 8);
	image->virtual_bytes = strict_load(bytes + 24, 8);
	image->l1_off = strict_load(bytes + 40, 8);
	image->refcount_table_off = strict_load(bytes + 48, 8);
	image->refcount_table_clusters = (uint32_t)strict_load(bytes + 56, 4);
	image->autoclear = strict_load(bytes + 88, 8);
	sum_header(image, header_bytes);
	return header_bytes;
}

static void read_backing_name(struct strict_image *image)
{
	uint64_t count = strict_load(image->bytes + 16, 4);
	if (image->backing_off == 0)
		return;
	if (image->backing_off + count > (uint64_t)1 << image->cluster_bits)
		strict_complain(image,
				"the backing file name leaves the header's cluster");
	const uint8_t *name =
		strict_range(image, "the backing file name", image->backing_off, count);
	if (name != NULL)
		strict_sum(&image->header_sum, name, count);
}

/* Returns the payload of the bitmaps extension, or NULL. */
static const uint8_t *read_extensions(struct strict_image *image, uint64_t off)
{
	uint64_t end = (uint64_t)1 << image->cluster_bits;
	const uint8_t *bitmaps = NULL;
	if (image->backing_off != 0 && image->backing_off < end)
		end = image->backing_off;
	while (off + 8 <= end) {
		const uint8_t *head = strict_range(image, "a header extension", off, 8);
		if (head == NULL)
			return NULL;
		uint64_t type = strict_load(head, 4), count = strict_load(head + 4, 4);
		if (type == 0)
			return bitmaps;
		if (count > end - off - 8 ||
		    strict_range(image, "a header extension", off + 8, count) == NULL) {
			strict_complain(image,
					"extension %#" PRIx64 " at %" PRIu64
					" is too long",
					type, off);
			return NULL;
		}
		if (type == BITMAPS) {
			if (image->has_extension || count != 24)
				strict_complain(
					image,
					"a bitmaps extension too many or too long");
			image->has_extension = true;
			bitmaps = head + 8;
		} else if (type == STRICT_PADDING) {
			image->has_padding = true;
		} else {
			strict_sum(&image->header_sum, head, 8 + count);
		}
		if (type == ENCRYPTION && count == 16)
			strict_visit(image, "the encryption header",
				     strict_load(head + 8, 8), strict_load(head + 16, 8));
		off += 8 + round_up(count, 8);
	}
	return bitmaps;
}

/* ---- Bitmaps -------------------------------------------------------------------- */

static void check_tail(struct strict_image *image, struct strict_bitmap *bitmap)
{
	uint64_t tail = bitmap->bit_count % 8;
	if (tail == 0)
		return;
	uint8_t *last = &bitmap->bits[bitmap->bit_count / 8];
	uint8_t past = (uint8_t)(*last >> tail << tail);
	if (past != 0)
		strict_complain(image, "a bitmap has bits set past the end of the disk");
	*last = (uint8_t)(*last ^ past);
}

static void read_data(struct strict_image *image, struct strict_bitmap *bitmap,
		      const uint8_t *table, uint64_t entries)
{
	uint64_t cluster_bytes = (uint64_t)1 << image->cluster_bits;
	uint64_t bits_bytes = (bitmap->bit_count + 7) / 8;
	for (uint64_t i = 0; i < entries; i++) {
		uint64_t entry = strict_load(table + i * 8, 8);
		uint64_t count = bits_bytes - i * cluster_bytes;
		if (count > cluster_bytes)
			count = cluster_bytes;
		uint8_t *bits = bitmap->bits + i * cluster_bytes;
		if (entry == 1)
			memset(bits, 0xff, count);
		if (entry <= 1)
			continue;
		if (entry % cluster_bytes != 0 || entry >> 56 != 0) {
			strict_complain(image,
					"bitmap table entry %#" PRIx64 " is invalid",
					entry);
			continue;
		}
		strict_refer(image, "bitmap data", entry, cluster_bytes);
		const uint8_t *data =
			strict_range(image, "bitmap data", entry, cluster_bytes);
		if (data != NULL)
			memcpy(bits, data, count);
		for (uint64_t at = count; data != NULL && at < cluster_bytes; at++)
			if (data[at] != 0) {
				strict_complain(image,
						"the unused end of a bitmap is not zero");
				break;
			}
	}
	check_tail(image, bitmap);
}

static void read_table(struct strict_image *image, struct strict_bitmap *bitmap,
		       uint64_t table_off, uint64_t entries)
{
	uint64_t cluster_bytes = (uint64_t)1 << image->cluster_bits;
	uint64_t granule = (uint64_t)1 << bitmap->granularity_bits;
	bitmap->bit_count =
		image->virtual_bytes / granule + (image->virtual_bytes % granule != 0);
	uint64_t bytes = round_up((bitmap->bit_count + 7) / 8, 8);
	bitmap->bits = strict_alloc(round_up(bytes, cluster_bytes), 1);
	if (entries != (bytes + cluster_bytes - 1) / cluster_bytes) {
		strict_complain(image, "a bitmap table has %" PRIu64 " entries", entries);
		return;
	}
	if (table_off % cluster_bytes != 0)
		strict_complain(image, "a bitmap table at %" PRIu64 " is not aligned",
				table_off);
	strict_refer(image, "a bitmap table", table_off, entries * 8);
	const uint8_t *table =
		strict_range(image, "a bitmap table", table_off, entries * 8);
	if (table != NULL)
		read_data(image, bitmap, table, entries);
}

/* Reads one directory entry of `left` bytes and returns how many it takes; 0: broken. */
static uint64_t read_entry(struct strict_image *image, struct strict_bitmap *bitmap,
			   const uint8_t *entry, uint64_t left)
{
	if (left < 24)
		return 0;
	bitmap->flags = (uint32_t)strict_load(entry + 12, 4);
	bitmap->granularity_bits = entry[17];
	bitmap->name_bytes = strict_load(entry + 18, 2);
	bitmap->extra_bytes = strict_load(entry + 20, 4);
	uint64_t bytes =
		round_up((uint64_t)24 + bitmap->extra_bytes + bitmap->name_bytes, 8);
	if (bytes > left)
		return 0;
	bitmap->extra = copy(entry + 24, bitmap->extra_bytes);
	bitmap->name = copy(entry + 24 + bitmap->extra_bytes, bitmap->name_bytes);
	if (entry[16] != 1 || bitmap->flags > 7 || bitmap->name_bytes == 0 ||
	    bitmap->name_bytes > 1023 || bitmap->granularity_bits > 63)
		strict_complain(image, "a directory entry breaks the format");
	for (uint64_t i = 24 + bitmap->extra_bytes + bitmap->name_bytes; i < bytes; i++)
		if (entry[i] != 0)
			strict_complain(image,
					"the padding of a directory entry is not zero");
	if (bitmap->granularity_bits <= 63)
		read_table(image, bitmap, strict_load(entry, 8),
			   strict_load(entry + 8, 4));
	return bytes;
}

static void read_directory(struct strict_image *image, const uint8_t *payload)
{
	uint64_t count = strict_load(payload, 4);
	uint64_t bytes = strict_load(payload + 8, 8), off = strict_load(payload + 16, 8);
	if (count == 0 || count > 65535 || strict_load(payload + 4, 4) != 0 ||
	    off >> image->cluster_bits << image->cluster_bits != off)
		strict_complain(image, "the bitmaps extension breaks the format");
	strict_refer(image, "the bitmap directory", off, bytes);
	const uint8_t *entry = strict_range(image, "the bitmap directory", off, bytes);
	if (entry == NULL || count > 65535)
		return;
	image->bitmaps = strict_alloc(count, sizeof(*image->bitmaps));
	while (image->bitmap_count < count) {
		uint64_t taken = read_entry(image, &image->bitmaps[image->bitmap_count++],
					    entry, bytes);
		if (taken == 0) {
			strict_complain(image, "a directory entry is cut off");
			return;
		}
		entry += taken;
		bytes -= taken;
	}
	if (bytes != 0)
		strict_complain(image, "the directory goes on behind its last entry");
}

static int compare_names(const void *one, const void *other)
{
	const struct strict_bitmap *a = *(const struct strict_bitmap *const *)one;
	const struct strict_bitmap *b = *(const struct strict_bitmap *const *)other;
	if (a->name_bytes != b->name_bytes)
		return a->name_bytes < b->name_bytes ? -1 : 1;
	return a->name_bytes == 0 ? 0 : memcmp(a->name, b->name, a->name_bytes);
}

/* Sorted, for there may be 65535. */
static void check_names(struct strict_image *image)
{
	size_t count = image->bitmap_count;
	const struct strict_bitmap **sorted = strict_alloc(count, sizeof(*sorted));
	for (size_t i = 0; i < count; i++)
		sorted[i] = &image->bitmaps[i];
	qsort(sorted, count, sizeof(*sorted), compare_names);
	for (size_t i = 1; i < count; i++)
		if (compare_names(&sorted[i - 1], &sorted[i]) == 0)
			strict_complain(image, "two bitmaps have one name");
	free(sorted);
}

bool strict_read(struct strict_image *image, const uint8_t *bytes, uint64_t length)
{
	memset(image, 0, sizeof(*image));
	image->bytes = bytes;
	image->length = length;
	uint64_t header_bytes = read_header(image);
	if (header_bytes == 0 || !strict_read_refcounts(image))
		return false;
	const uint8_t *payload = read_extensions(image, header_bytes);
	read_backing_name(image);
	strict_walk_guest(image);
	if (payload != NULL && (image->autoclear & 1) != 0)
		read_directory(image, payload);
	else if ((image->autoclear & 1) != 0 && image->has_extension)
		strict_complain(image, "the bitmaps extension cannot be read");
	/* What could not be read whole has no name. */
	if (image->problems == 0)
		check_names(image);
	strict_compare(image);
	return image->problems == 0;
}

void strict_free(struct strict_image *image)
{
	for (size_t i = 0; i < image->bitmap_count; i++) {
		free(image->bitmaps[i].name);
		free(image->bitmaps[i].extra);
		free(image->bitmaps[i].bits);
	}
	free(image->bitmaps);
	free(image->refcounts);
	free(image->references);
	memset(image, 0, sizeof(*image));
}

static bool same_bitmap(const struct strict_bitmap *a, const struct strict_bitmap *b)
{
	return a->name_bytes == b->name_bytes && a->flags == b->flags &&
	       a->granularity_bits == b->granularity_bits &&
	       a->extra_bytes == b->extra_bytes && a->bit_count == b->bit_count &&
	       memcmp(a->name, b->name, a->name_bytes) == 0 &&
	       memcmp(a->extra, b->extra, a->extra_bytes) == 0 && a->bits != NULL &&
	       b->bits != NULL && memcmp(a->bits, b->bits, (a->bit_count + 7) / 8) == 0;
}

bool strict_same_bitmaps(const struct strict_image *a, const struct strict_image *b)
{
	if (a->bitmap_count != b->bitmap_count)
		return false;
	for (size_t i = 0; i < a->bitmap_count; i++)
		if (!same_bitmap(&a->bitmaps[i], &b->bitmaps[i]))
			return false;
	return true;
}

bool strict_same_set(const struct strict_image *a, const struct strict_image *b)
{
	if (a->bitmap_count != b->bitmap_count)
		return false;
	for (size_t i = 0; i < a->bitmap_count; i++) {
		size_t j = 0;
		while (j < b->bitmap_count &&
		       !same_bitmap(&a->bitmaps[i], &b->bitmaps[j]))
			j++;
		if (j == b->bitmap_count)
			return false;
	}
	return true;
}

const struct strict_bitmap *strict_find(const struct strict_image *image,
					const char *name)
{
	for (size_t i = 0; i < image->bitmap_count; i++)
		if (image->bitmaps[i].name_bytes == strlen(name) &&
		    memcmp(image->bitmaps[i].name, name, strlen(name)) == 0)
			return &image->bitmaps[i];
	return NULL;
}
