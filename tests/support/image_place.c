/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* make_image: numbers, and places in an image found by following its structures. */
#include "make_image.h"

#include <stdlib.h>
#include <string.h>

#define EXTENSION_BITMAPS 0x23852875u
#define OFFSET_MASK 0x00fffffffffffe00ull
#define MAX_NAME 40

struct field {
	const char *name;
	unsigned off;
};

static const struct field header_fields[] = {
	{"magic", 0},
	{"version", 4},
	{"backing_file_offset", 8},
	{"backing_file_size", 16},
	{"cluster_bits", 20},
	{"size", 24},
	{"crypt_method", 32},
	{"l1_size", 36},
	{"l1_table_offset", 40},
	{"refcount_table_offset", 48},
	{"refcount_table_clusters", 56},
	{"nb_snapshots", 60},
	{"snapshots_offset", 64},
	{"incompatible_features", 72},
	{"compatible_features", 80},
	{"autoclear_features", 88},
	{"refcount_order", 96},
	{"header_length", 100},
	{"compression_type", 104},
	{NULL, 0},
};

static const struct field extension_fields[] = {
	{"type", 0},       {"length", 4},          {"data", 8},
	{"nb_bitmaps", 8}, {"directory_size", 16}, {"directory_offset", 24},
	{NULL, 0},
};

/* extra and name are found, not listed: they stand behind these. */
static const struct field entry_fields[] = {
	{"table_offset", 0},
	{"table_size", 8},
	{"flags", 12},
	{"type", 16},
	{"granularity_bits", 17},
	{"name_size", 18},
	{"extra_data_size", 20},
	{NULL, 0},
};

/* What is left of the expression, and the image that its places are in. */
struct cursor {
	const char *at;
	const char *whole;
	const struct image *image;
};

static uint64_t sum(struct cursor *cursor);

static bool accept(struct cursor *cursor, char c)
{
	if (*cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

static void expect(struct cursor *cursor, char c)
{
	if (!accept(cursor, c))
		recipe_fail("%s: no '%c' at \"%s\"", cursor->whole, c, cursor->at);
}

static void read_name(struct cursor *cursor, char name[MAX_NAME])
{
	size_t length = strspn(cursor->at, "abcdefghijklmnopqrstuvwxyz_0123456789");

	if (length == 0 || length >= MAX_NAME)
		recipe_fail("%s: no name at \"%s\"", cursor->whole, cursor->at);
	memcpy(name, cursor->at, length);
	name[length] = '\0';
	cursor->at += length;
}

static uint64_t index_in_brackets(struct cursor *cursor)
{
	uint64_t value;

	expect(cursor, '[');
	value = sum(cursor);
	expect(cursor, ']');
	return value;
}

static unsigned field_off(const struct cursor *cursor, const struct field *fields,
			  const char *name)
{
	for (; fields->name; fields++) {
		if (strcmp(fields->name, name) == 0)
			return fields->off;
	}
	recipe_fail("%s: no field of that name: %s", cursor->whole, name);
}

/* The field of the header that is named, as a number. */
static uint64_t header(const struct image *image, const char *name, unsigned bytes)
{
	const struct field *field = header_fields;

	while (strcmp(field->name, name) != 0)
		field++;
	return image_load(image, field->off, bytes);
}

static uint64_t cluster_bytes(const struct image *image)
{
	uint64_t bits = header(image, "cluster_bits", 4);

	if (bits > 30)
		recipe_fail("cluster_bits is %llu here", (unsigned long long)bits);
	return 1ull << bits;
}

/* The first extension of that type, or the one at that index from the first. */
static uint64_t find_extension(const struct image *image, uint64_t type, uint64_t idx)
{
	uint64_t off = header(image, "header_length", 4);

	for (;;) {
		uint64_t here = image_load(image, off, 4);

		if (here == type || idx == 0)
			return off;
		if (here == 0)
			recipe_fail("the image has no such header extension");
		idx--;
		off += 8 + (image_load(image, off + 4, 4) + 7) / 8 * 8;
	}
}

static uint64_t extension_place(struct cursor *cursor)
{
	char name[MAX_NAME];
	uint64_t off;

	expect(cursor, '[');
	if (strncmp(cursor->at, "bitmaps", 7) == 0) {
		cursor->at += 7;
		off = find_extension(cursor->image, EXTENSION_BITMAPS, UINT64_MAX);
	} else if (strncmp(cursor->at, "end", 3) == 0) {
		cursor->at += 3;
		off = find_extension(cursor->image, 0, UINT64_MAX);
	} else {
		off = find_extension(cursor->image, UINT64_MAX, sum(cursor));
	}
	expect(cursor, ']');
	if (!accept(cursor, '.'))
		return off;
	read_name(cursor, name);
	return off + field_off(cursor, extension_fields, name);
}

static uint64_t directory(const struct image *image)
{
	return image_load(image,
			  find_extension(image, EXTENSION_BITMAPS, UINT64_MAX) + 24, 8);
}

static uint64_t find_entry(const struct image *image, uint64_t idx)
{
	uint64_t off = directory(image);

	for (; idx > 0; idx--) {
		uint64_t name_bytes = image_load(image, off + 18, 2);
		uint64_t extra_bytes = image_load(image, off + 20, 4);

		off += (24 + extra_bytes + name_bytes + 7) / 8 * 8;
	}
	return off;
}

static uint64_t entry_place(struct cursor *cursor)
{
	uint64_t off = find_entry(cursor->image, index_in_brackets(cursor));
	char name[MAX_NAME];

	if (!accept(cursor, '.'))
		return off;
	read_name(cursor, name);
	if (strcmp(name, "extra") == 0)
		return off + 24;
	if (strcmp(name, "name") == 0)
		return off + 24 + image_load(cursor->image, off + 20, 4);
	return off + field_off(cursor, entry_fields, name);
}

/* table[N], table[N][M], and data[N][M] that the latter points to. */
static uint64_t table_place(struct cursor *cursor, bool follow)
{
	const struct image *image = cursor->image;
	uint64_t off = image_load(image, find_entry(image, index_in_brackets(cursor)), 8);

	if (follow || *cursor->at == '[')
		off += 8 * index_in_brackets(cursor);
	return follow ? image_load(image, off, 8) & OFFSET_MASK : off;
}

static uint64_t l1_entry(const struct image *image, uint64_t idx)
{
	return header(image, "l1_table_offset", 8) + 8 * idx;
}

static uint64_t l2_entry(const struct image *image, uint64_t l1_idx, uint64_t idx)
{
	bool extended = header(image, "incompatible_features", 8) >> 4 & 1;

	return (image_load(image, l1_entry(image, l1_idx), 8) & OFFSET_MASK) +
	       (extended ? 16 : 8) * idx;
}

/* Where the guest's cluster number `idx` is in the image. */
static uint64_t guest_place(const struct image *image, uint64_t idx)
{
	bool extended = header(image, "incompatible_features", 8) >> 4 & 1;
	uint64_t in_l2 = cluster_bytes(image) / (extended ? 16 : 8);

	return image_load(image, l2_entry(image, idx / in_l2, idx % in_l2), 8) &
	       OFFSET_MASK;
}

static uint64_t refcount_block(const struct image *image, uint64_t idx)
{
	return image_load(image, header(image, "refcount_table_offset", 8) + 8 * idx, 8);
}

/* The refcount, of 16 bits, of the cluster that the byte `off` is in. */
static uint64_t refcount_place(const struct image *image, uint64_t off)
{
	uint64_t cluster = off / cluster_bytes(image);
	uint64_t in_block = cluster_bytes(image) / 2;

	if (header(image, "refcount_order", 4) != 4)
		recipe_fail("refcount[] is for refcounts of 16 bits");
	return refcount_block(image, cluster / in_block) + 2 * (cluster % in_block);
}

static uint64_t header_place(struct cursor *cursor)
{
	char name[MAX_NAME];

	expect(cursor, '.');
	read_name(cursor, name);
	return field_off(cursor, header_fields, name);
}

static uint64_t place(struct cursor *cursor)
{
	const struct image *image = cursor->image;
	char name[MAX_NAME];

	read_name(cursor, name);
	if (!image)
		recipe_fail("%s: a number is wanted here, not a place", cursor->whole);
	if (strcmp(name, "end") == 0)
		return image->size;
	if (strcmp(name, "cluster_size") == 0)
		return cluster_bytes(image);
	if (strcmp(name, "header") == 0)
		return header_place(cursor);
	if (strcmp(name, "extension") == 0)
		return extension_place(cursor);
	if (strcmp(name, "directory") == 0)
		return directory(image);
	if (strcmp(name, "entry") == 0)
		return entry_place(cursor);
	if (strcmp(name, "table") == 0)
		return table_place(cursor, false);
	if (strcmp(name, "data") == 0)
		return table_place(cursor, true);
	if (strcmp(name, "l1") == 0)
		return l1_entry(image, index_in_brackets(cursor));
	if (strcmp(name, "l2") == 0) {
		uint64_t l1_idx = index_in_brackets(cursor);

		return l2_entry(image, l1_idx,
				*cursor->at == '[' ? index_in_brackets(cursor) : 0);
	}
	if (strcmp(name, "guest") == 0)
		return guest_place(image, index_in_brackets(cursor));
	if (strcmp(name, "refcount_table") == 0)
		return header(image, "refcount_table_offset", 8);
	if (strcmp(name, "refcount_block") == 0)
		return refcount_block(image, index_in_brackets(cursor));
	if (strcmp(name, "refcount") == 0)
		return refcount_place(image, index_in_brackets(cursor));
	recipe_fail("%s: no place of that name: %s", cursor->whole, name);
}

static uint64_t number(struct cursor *cursor)
{
	static const char units[] = "kMGTPE";
	char *end;
	uint64_t value = strtoull(cursor->at, &end, 0);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (unit)
		value <<= 10 * (unit - units + 1);
	cursor->at = unit ? end + 1 : end;
	return value;
}

static uint64_t sum(struct cursor *cursor)
{
	uint64_t value = 0;
	char sign = '+';

	for (;;) {
		bool digit = *cursor->at >= '0' && *cursor->at <= '9';
		uint64_t term = digit ? number(cursor) : place(cursor);

		/* wraps like the format's fields: 0-1 is the largest value */
		value = sign == '+' ? value + term : value - term;
		sign = *cursor->at;
		if (!accept(cursor, '+') && !accept(cursor, '-'))
			return value;
	}
}

uint64_t place_find(const struct image *image, const char *expression)
{
	struct cursor cursor = {expression, expression, image};
	uint64_t value = sum(&cursor);

	if (*cursor.at)
		recipe_fail("%s: not understood from \"%s\"", expression, cursor.at);
	return value;
}
