/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoding an image for tests: who refers to which cluster. */
#include "inspect_image.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFFSET_MASK 0x00fffffffffffe00u
#define COMPRESSED ((uint64_t)1 << 62)
#define ENCRYPTION_EXTENSION 0x0537be77u

bool inspect_fail(struct inspect *inspect, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(inspect->problem, sizeof(inspect->problem), format, args);
	va_end(args);
	return false;
}

uint64_t inspect_number(const struct inspect *inspect, uint64_t off, unsigned bytes)
{
	uint64_t value = 0;
	if (off + bytes > inspect->length)
		return 0;
	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | inspect->bytes[off + i];
	return value;
}

static uint64_t cluster_bytes(const struct inspect *inspect)
{
	return (uint64_t)1 << inspect->cluster_bits;
}

/* Counts one reference to each cluster that [off, off+bytes) touches. */
static bool refer(struct inspect *inspect, enum inspect_kind kind, uint64_t off,
		  uint64_t bytes)
{
	if (bytes == 0)
		return true;
	if (off > inspect->length || bytes > inspect->length - off)
		return inspect_fail(
			inspect, "kind %d at %llu (%llu bytes) is past the end %llu",
			kind, (unsigned long long)off, (unsigned long long)bytes,
			(unsigned long long)inspect->length);
	if (kind != INSPECT_GUEST && off % cluster_bytes(inspect) != 0)
		return inspect_fail(inspect, "kind %d at %llu is not aligned", kind,
				    (unsigned long long)off);
	uint64_t last = (off + bytes - 1) >> inspect->cluster_bits;
	for (uint64_t c = off >> inspect->cluster_bits; c <= last; c++) {
		inspect->refs[c]++;
		inspect->kinds[c] = (uint8_t)kind;
	}
	return true;
}

static bool refer_guest(struct inspect *inspect, uint64_t entry)
{
	if ((entry & COMPRESSED) != 0) {
		unsigned sector_bits = inspect->cluster_bits - 8, x = 62 - sector_bits;
		uint64_t off = entry & (((uint64_t)1 << x) - 1) & ~(uint64_t)511;
		uint64_t more = entry >> x & (((uint64_t)1 << sector_bits) - 1);
		return refer(inspect, INSPECT_GUEST, off, (more + 1) * 512);
	}
	uint64_t off = entry & OFFSET_MASK;
	return off == 0 || refer(inspect, INSPECT_GUEST, off, cluster_bytes(inspect));
}

static bool refer_l1(struct inspect *inspect, uint64_t off, uint64_t entries)
{
	if (!refer(inspect, INSPECT_MAPPING, off, entries * 8))
		return false;
	for (uint64_t i = 0; i < entries; i++) {
		uint64_t l2 = inspect_number(inspect, off + i * 8, 8) & OFFSET_MASK;
		if (l2 == 0)
			continue;
		if (!refer(inspect, INSPECT_MAPPING, l2, cluster_bytes(inspect)))
			return false;
		for (uint64_t at = 0; at < cluster_bytes(inspect);
		     at += inspect->l2_shift)
			if (!refer_guest(inspect, inspect_number(inspect, l2 + at, 8)))
				return false;
	}
	return true;
}

static bool refer_snapshots(struct inspect *inspect)
{
	uint64_t start = inspect_number(inspect, 64, 8), at = start;
	for (uint64_t n = inspect_number(inspect, 60, 4); n > 0; n--) {
		if (!refer_l1(inspect, inspect_number(inspect, at, 8),
			      inspect_number(inspect, at + 8, 4)))
			return false;
		at += 40 + inspect_number(inspect, at + 36, 4) +
		      inspect_number(inspect, at + 12, 2) +
		      inspect_number(inspect, at + 14, 2);
		at = (at + 7) & ~(uint64_t)7;
	}
	return refer(inspect, INSPECT_SNAPSHOTS, start, at - start);
}

static bool refer_refcounts(struct inspect *inspect)
{
	uint64_t bytes = inspect->table_clusters << inspect->cluster_bits;
	if (!refer(inspect, INSPECT_REFCOUNTS, inspect->table_off, bytes))
		return false;
	for (uint64_t at = 0; at < bytes; at += 8) {
		uint64_t block = inspect_number(inspect, inspect->table_off + at, 8);
		if (block != 0 &&
		    !refer(inspect, INSPECT_REFCOUNTS, block, cluster_bytes(inspect)))
			return false;
	}
	return true;
}

uint64_t inspect_refcount(const struct inspect *inspect, uint64_t cluster)
{
	unsigned order = inspect->refcount_order,
		 shift = inspect->cluster_bits + 3 - order;
	uint64_t idx = cluster >> shift, bit = (cluster & (((uint64_t)1 << shift) - 1))
					       << order;
	if (idx >= inspect->table_clusters << inspect->cluster_bits >> 3)
		return 0;
	uint64_t block = inspect_number(inspect, inspect->table_off + idx * 8, 8);
	if (block == 0)
		return 0;
	if (order >= 3)
		return inspect_number(inspect, block + bit / 8, 1u << (order - 3));
	return (uint64_t)inspect->bytes[block + bit / 8] >> bit % 8 &
	       (((uint64_t)1 << (1u << order)) - 1);
}

static bool load_extensions(struct inspect *inspect)
{
	uint64_t at = inspect_number(inspect, 100, 4);
	uint64_t end =
		inspect->backing_off != 0 ? inspect->backing_off : cluster_bytes(inspect);
	while (at + 8 <= end) {
		struct inspect_extension *extension =
			&inspect->extensions[inspect->extension_count];
		extension->type = (uint32_t)inspect_number(inspect, at, 4);
		extension->bytes = (uint32_t)inspect_number(inspect, at + 4, 4);
		extension->off = at + 8;
		inspect->end_marker_off = at;
		if (extension->type == 0)
			return true;
		if (extension->bytes > end - at - 8)
			return inspect_fail(inspect, "extension at %llu is too long",
					    (unsigned long long)at);
		if (++inspect->extension_count == INSPECT_MAX_EXTENSIONS)
			return inspect_fail(inspect, "too many extensions");
		at += 8 + ((extension->bytes + 7) & ~(uint64_t)7);
	}
	return true;
}

static bool refer_table(struct inspect *inspect, const struct inspect_bitmap *bitmap)
{
	if (bitmap->entries != (bitmap->bits + 8 * cluster_bytes(inspect) - 1) /
				       (8 * cluster_bytes(inspect)))
		return inspect_fail(inspect, "a table has %llu entries for %llu bits",
				    (unsigned long long)bitmap->entries,
				    (unsigned long long)bitmap->bits);
	if (!refer(inspect, INSPECT_TABLE, bitmap->table_off, bitmap->entries * 8))
		return false;
	for (uint64_t i = 0; i < bitmap->entries; i++) {
		uint64_t entry = inspect_number(inspect, bitmap->table_off + i * 8, 8);
		if (entry > 1 &&
		    !refer(inspect, INSPECT_DATA, entry, cluster_bytes(inspect)))
			return false;
	}
	return true;
}

static bool load_entry(struct inspect *inspect, struct inspect_bitmap *bitmap,
		       uint64_t *at, uint64_t end)
{
	if (*at + 24 > end)
		return inspect_fail(inspect, "the directory ends inside an entry");
	bitmap->table_off = inspect_number(inspect, *at, 8);
	bitmap->entries = inspect_number(inspect, *at + 8, 4);
	bitmap->flags = (uint32_t)inspect_number(inspect, *at + 12, 4);
	bitmap->granularity_bits = inspect->bytes[*at + 17];
	bitmap->name_bytes = (size_t)inspect_number(inspect, *at + 18, 2);
	bitmap->extra_bytes = (size_t)inspect_number(inspect, *at + 20, 4);
	bitmap->extra = inspect->bytes + *at + 24;
	bitmap->name = bitmap->extra + bitmap->extra_bytes;
	bitmap->bits = inspect->virtual_bytes >> bitmap->granularity_bits;
	bitmap->bits += (inspect->virtual_bytes &
			 (((uint64_t)1 << bitmap->granularity_bits) - 1)) != 0;
	if (inspect->bytes[*at + 16] != 1 || bitmap->name_bytes == 0)
		return inspect_fail(inspect, "the entry at %llu is invalid",
				    (unsigned long long)*at);
	*at += (24 + bitmap->extra_bytes + bitmap->name_bytes + 7) & ~(size_t)7;
	return refer_table(inspect, bitmap);
}

static bool load_directory(struct inspect *inspect, uint64_t data)
{
	uint64_t bytes = inspect_number(inspect, data + 8, 8);
	uint64_t at = inspect_number(inspect, data + 16, 8), end = at + bytes;
	if (inspect->has_extension)
		return inspect_fail(inspect, "there is a second bitmaps extension");
	inspect->has_extension = true;
	inspect->payload_off = data;
	inspect->bitmap_count = (size_t)inspect_number(inspect, data, 4);
	if (inspect->bitmap_count == 0 || inspect_number(inspect, data + 4, 4) != 0)
		return inspect_fail(inspect, "the bitmaps extension is invalid");
	if (!refer(inspect, INSPECT_DIRECTORY, at, bytes))
		return false;
	inspect->bitmaps = calloc(inspect->bitmap_count, sizeof(*inspect->bitmaps));
	if (inspect->bitmaps == NULL)
		abort();
	for (size_t i = 0; i < inspect->bitmap_count; i++)
		if (!load_entry(inspect, &inspect->bitmaps[i], &at, end))
			return false;
	return at == end ||
	       inspect_fail(inspect, "the directory is longer than its entries");
}

static bool refer_extensions(struct inspect *inspect)
{
	/* Without its autoclear bit the extension is no longer of use. */
	for (size_t i = 0; i < inspect->extension_count; i++) {
		const struct inspect_extension *extension = &inspect->extensions[i];
		if (extension->type == INSPECT_BITMAPS_EXTENSION &&
		    (inspect->autoclear & 1) != 0 &&
		    !load_directory(inspect, extension->off))
			return false;
		if (extension->type == ENCRYPTION_EXTENSION &&
		    !refer(inspect, INSPECT_ENCRYPTION,
			   inspect_number(inspect, extension->off, 8),
			   inspect_number(inspect, extension->off + 8, 8)))
			return false;
	}
	return inspect->has_extension == ((inspect->autoclear & 1) != 0) ||
	       inspect_fail(inspect, "autoclear bit 0 without a bitmaps extension");
}

bool inspect_load(struct inspect *inspect, const uint8_t *bytes, uint64_t length)
{
	*inspect = (struct inspect){.bytes = bytes, .length = length};
	inspect->cluster_bits = (unsigned)inspect_number(inspect, 20, 4);
	inspect->virtual_bytes = inspect_number(inspect, 24, 8);
	inspect->backing_off = inspect_number(inspect, 8, 8);
	inspect->backing_bytes = inspect_number(inspect, 16, 4);
	inspect->table_off = inspect_number(inspect, 48, 8);
	inspect->table_clusters = inspect_number(inspect, 56, 4);
	inspect->l2_shift = (inspect_number(inspect, 72, 8) & 16) != 0 ? 16 : 8;
	inspect->autoclear = inspect_number(inspect, 88, 8);
	inspect->refcount_order = (unsigned)inspect_number(inspect, 96, 4);
	inspect->clusters =
		(length + cluster_bytes(inspect) - 1) >> inspect->cluster_bits;
	inspect->refs = calloc((size_t)inspect->clusters, sizeof(*inspect->refs));
	inspect->kinds = calloc((size_t)inspect->clusters, 1);
	if (inspect->refs == NULL || inspect->kinds == NULL)
		abort();
	bool is_sound = refer(inspect, INSPECT_HEADER, 0, 112) &&
			load_extensions(inspect) && refer_refcounts(inspect) &&
			refer_l1(inspect, inspect_number(inspect, 40, 8),
				 inspect_number(inspect, 36, 4)) &&
			refer_snapshots(inspect) && refer_extensions(inspect);
	if (!is_sound)
		inspect_free(inspect);
	return is_sound;
}

void inspect_free(struct inspect *inspect)
{
	free(inspect->refs);
	free(inspect->kinds);
	free(inspect->bitmaps);
	inspect->refs = NULL;
	inspect->kinds = NULL;
	inspect->bitmaps = NULL;
}

bool inspect_bit(const struct inspect *inspect, const struct inspect_bitmap *bitmap,
		 uint64_t bit)
{
	uint64_t per_cluster = cluster_bytes(inspect) * 8;
	uint64_t entry =
		inspect_number(inspect, bitmap->table_off + bit / per_cluster * 8, 8);
	if (entry <= 1)
		return entry == 1;
	return inspect->bytes[entry + bit % per_cluster / 8] >> bit % 8 & 1;
}
