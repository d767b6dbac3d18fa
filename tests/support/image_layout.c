/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* make_image: a small version 3 image built from nothing, whole in itself. */
#include "make_image.h"

#include <stdio.h>
#include <string.h>

#define EXTENSION_BITMAPS 0x23852875u
#define COPIED (1ull << 63)
#define MAX_ITEMS 64
#define HEADER_KNOWN_BYTES 112

struct guest_cluster {
	uint64_t idx;
	uint8_t byte;
};

struct extension {
	uint32_t type;
	struct text data;
};

struct bitmap {
	struct text name, extra, table; /* table: the words behind table= */
	uint64_t repeat; /* so many, with a number behind the name; 0: one */
	uint64_t tables; /* that they have, in turn; 0: one each */
	uint64_t granularity_bits, flags, type;
	uint64_t table_off, table_entries;
};

struct layout {
	uint64_t disk_bytes, cluster_bits, header_bytes;
	struct text backing;
	unsigned guests, extensions, bitmaps;
	struct guest_cluster guest[MAX_ITEMS];
	struct extension extension[MAX_ITEMS];
	struct bitmap bitmap[MAX_ITEMS];
};

/* The value of "KEY=VALUE", or NULL. */
static const char *value_of(const char *word, const char *key)
{
	size_t length = strlen(key);

	return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1
								      : NULL;
}

/* Takes a numeric "KEY=VALUE"; false when it is another key's. */
static bool take_number(const char *word, const char *key, uint64_t *number)
{
	const char *value = value_of(word, key);

	if (value)
		*number = place_find(NULL, value);
	return value;
}

static bool take_text(const char *word, const char *key, struct text *text)
{
	const char *value = value_of(word, key);

	if (value)
		*text = recipe_text(value);
	return value;
}

struct layout *layout_begin(unsigned words, char **word)
{
	struct layout *layout = recipe_alloc(sizeof(*layout));

	if (words < 2)
		recipe_fail("empty: no size");
	layout->disk_bytes = place_find(NULL, word[1]);
	layout->cluster_bits = 12;
	layout->header_bytes = HEADER_KNOWN_BYTES;
	for (unsigned i = 2; i < words; i++) {
		if (!take_number(word[i], "cluster_bits", &layout->cluster_bits) &&
		    !take_number(word[i], "header_length", &layout->header_bytes) &&
		    !take_text(word[i], "backing", &layout->backing))
			recipe_fail("empty: not understood: %s", word[i]);
	}
	if (layout->cluster_bits < 9 || layout->cluster_bits > 21)
		recipe_fail("cluster_bits is not 9 to 21");
	if (layout->header_bytes < 104 || layout->header_bytes % 8 ||
	    layout->header_bytes > 1ull << layout->cluster_bits)
		recipe_fail("header_length is not a multiple of 8 from 104 to a cluster");
	return layout;
}

static void add_guest(struct layout *layout, unsigned words, char **word)
{
	struct guest_cluster *guest = &layout->guest[layout->guests++];

	if (words < 2)
		recipe_fail("guest: no cluster number");
	guest->idx = place_find(NULL, word[1]);
	guest->byte = words > 2 ? (uint8_t)place_find(NULL, word[2]) : 0x47;
	if (guest->idx << layout->cluster_bits >= layout->disk_bytes)
		recipe_fail("guest: past the end of the disk");
}

static void add_extension(struct layout *layout, unsigned words, char **word)
{
	struct extension *extension = &layout->extension[layout->extensions++];

	if (words == 2 && strcmp(word[1], "bitmaps") == 0) {
		extension->type = EXTENSION_BITMAPS;
		return;
	}
	if (words < 2)
		recipe_fail("extension: no type");
	extension->type = (uint32_t)place_find(NULL, word[1]);
	extension->data = recipe_text(words > 2 ? word[2] : "");
}

static void add_bitmap(struct layout *layout, unsigned words, char **word)
{
	struct bitmap *bitmap = &layout->bitmap[layout->bitmaps++];

	if (words < 2)
		recipe_fail("bitmap: no name (for an empty one: x*0)");
	bitmap->name = recipe_text(word[1]);
	bitmap->extra = recipe_text("");
	bitmap->table = recipe_text("zeros");
	bitmap->granularity_bits = 16;
	bitmap->flags = 2;
	bitmap->type = 1;
	for (unsigned i = 2; i < words; i++) {
		if (!take_number(word[i], "granularity_bits",
				 &bitmap->granularity_bits) &&
		    !take_number(word[i], "flags", &bitmap->flags) &&
		    !take_number(word[i], "type", &bitmap->type) &&
		    !take_number(word[i], "repeat", &bitmap->repeat) &&
		    !take_number(word[i], "tables", &bitmap->tables) &&
		    !take_text(word[i], "extra", &bitmap->extra) &&
		    !take_text(word[i], "table", &bitmap->table))
			recipe_fail("bitmap: not understood: %s", word[i]);
	}
}

bool layout_add_line(struct layout *layout, unsigned words, char **word)
{
	/* one is kept for the extension that layout_build() may add */
	if (layout->guests == MAX_ITEMS - 1 || layout->extensions == MAX_ITEMS - 1 ||
	    layout->bitmaps == MAX_ITEMS - 1)
		recipe_fail("more than %d of a kind", MAX_ITEMS - 1);
	if (strcmp(word[0], "guest") == 0)
		add_guest(layout, words, word);
	else if (strcmp(word[0], "extension") == 0)
		add_extension(layout, words, word);
	else if (strcmp(word[0], "bitmap") == 0)
		add_bitmap(layout, words, word);
	else
		return false;
	return true;
}

static uint64_t divide_up(uint64_t value, uint64_t by)
{
	return value / by + (value % by != 0);
}

/* Room for `bytes` at the end of the image, in whole clusters. */
static uint64_t append(const struct layout *layout, struct image *image, uint64_t bytes)
{
	uint64_t off = image->size;

	image_resize(image, off + (divide_up(bytes, 1ull << layout->cluster_bits)
				   << layout->cluster_bits));
	return off;
}

static void build_header(const struct layout *layout, struct image *image)
{
	image_store(image, 0, 4, 0x514649fb);
	image_store(image, 4, 4, 3);
	image_store(image, 20, 4, layout->cluster_bits);
	image_store(image, 24, 8, layout->disk_bytes);
	image_store(image, 96, 4, 4);
	image_store(image, 100, 4, layout->header_bytes);
}

/* L1 table, and L2 tables and data of the guest's clusters that there are. */
static void build_guest(const struct layout *layout, struct image *image)
{
	uint64_t cluster_bytes = 1ull << layout->cluster_bits;
	uint64_t in_l2 = cluster_bytes / 8;
	uint64_t l1_entries = divide_up(layout->disk_bytes, cluster_bytes * in_l2);
	uint64_t l1_off = append(layout, image, 8 * l1_entries);

	image_store(image, 36, 4, l1_entries);
	image_store(image, 40, 8, l1_off);
	for (unsigned i = 0; i < layout->guests; i++) {
		const struct guest_cluster *guest = &layout->guest[i];
		uint64_t at_l1 = l1_off + 8 * (guest->idx / in_l2), data_off;

		if (image_load(image, at_l1, 8) == 0)
			image_store(image, at_l1, 8, COPIED | append(layout, image, 1));
		data_off = append(layout, image, 1);
		memset(image->bytes + data_off, guest->byte, (size_t)cluster_bytes);
		image_store(image,
			    (image_load(image, at_l1, 8) & ~COPIED) +
				    8 * (guest->idx % in_l2),
			    8, COPIED | data_off);
	}
}

/* A granularity that the format does not have still gets a table. */
static uint64_t bits_of(const struct layout *layout, const struct bitmap *bitmap)
{
	uint64_t shift = bitmap->granularity_bits < 64 ? bitmap->granularity_bits : 63;

	return divide_up(layout->disk_bytes, 1ull << shift);
}

/*
 * One table entry, and its data: `kind` is zeros, ones or data[:BYTE]. Bits past the end
 * of the disk stay zero in data.
 */
static void build_cluster(const struct layout *layout, struct image *image,
			  const struct bitmap *bitmap, uint64_t idx, const char *kind)
{
	uint64_t bits = bits_of(layout, bitmap);
	uint64_t first = idx * 8 << layout->cluster_bits, off;
	uint8_t byte;

	if (strcmp(kind, "zeros") == 0)
		return;
	if (strcmp(kind, "ones") == 0) {
		image_store(image, bitmap->table_off + 8 * idx, 8, 1);
		return;
	}
	if (strncmp(kind, "data", 4) != 0)
		recipe_fail("not zeros, ones or data: %s", kind);
	byte = kind[4] == ':' ? (uint8_t)place_find(NULL, kind + 5) : 0x55;
	off = append(layout, image, 1);
	image_store(image, bitmap->table_off + 8 * idx, 8, off);
	for (uint64_t i = 0; i < 8ull << layout->cluster_bits && first + i < bits; i++)
		image->bytes[off + i / 8] |= (uint8_t)(byte & 1u << i % 8);
}

static void build_table(const struct layout *layout, struct image *image,
			struct bitmap *bitmap)
{
	uint64_t bits = bits_of(layout, bitmap);
	char *words = recipe_alloc(bitmap->table.size + 1);
	const char *kind = words;

	memcpy(words, bitmap->table.bytes, bitmap->table.size);
	bitmap->table_entries = divide_up(bits, 8ull << layout->cluster_bits);
	bitmap->table_off = append(layout, image, 8 * bitmap->table_entries);
	for (uint64_t i = 0; i < bitmap->table_entries; i++) {
		char *comma = strchr(kind, ',');

		if (comma)
			*comma = '\0';
		build_cluster(layout, image, bitmap, i, kind);
		if (comma)
			kind = comma + 1;
	}
}

static uint64_t entry_bytes(const struct bitmap *bitmap)
{
	return divide_up(24 + bitmap->extra.size + bitmap->name.size, 8) * 8;
}

static void build_entry(struct image *image, uint64_t off, const struct bitmap *bitmap)
{
	image_store(image, off, 8, bitmap->table_off);
	image_store(image, off + 8, 4, bitmap->table_entries);
	image_store(image, off + 12, 4, bitmap->flags);
	image_store(image, off + 16, 1, bitmap->type);
	image_store(image, off + 17, 1, bitmap->granularity_bits);
	image_store(image, off + 18, 2, bitmap->name.size);
	image_store(image, off + 20, 4, bitmap->extra.size);
	memcpy(image->bytes + off + 24, bitmap->extra.bytes, bitmap->extra.size);
	memcpy(image->bytes + off + 24 + bitmap->extra.size, bitmap->name.bytes,
	       bitmap->name.size);
}

/* The bitmap of a line that stands for its number `idx`. */
static struct bitmap repeated(const struct bitmap *line, uint64_t idx)
{
	struct bitmap bitmap = *line;

	if (line->repeat) {
		size_t room = line->name.size + 24;

		bitmap.name.bytes = recipe_alloc(room);
		memcpy(bitmap.name.bytes, line->name.bytes, line->name.size);
		bitmap.name.size +=
			(size_t)snprintf((char *)bitmap.name.bytes + line->name.size, 24,
					 "%llu", (unsigned long long)idx);
	}
	return bitmap;
}

static uint64_t times(const struct bitmap *line)
{
	return line->repeat ? line->repeat : 1;
}

/* Tables and entries of the bitmaps of one line, in the directory from `off` on; returns where they
 * end. Those of a line with tables=N have the first N tables in turn. */
static uint64_t build_line(const struct layout *layout, struct image *image,
			   const struct bitmap *line, uint64_t off)
{
	uint64_t room = line->tables ? line->tables : 1;
	struct bitmap *built = recipe_alloc(room * sizeof(*built));

	for (uint64_t j = 0; j < times(line); j++) {
		struct bitmap bitmap = repeated(line, j);
		struct bitmap *first = &built[j % room];

		if (line->tables && j >= room) {
			bitmap.table_off = first->table_off;
			bitmap.table_entries = first->table_entries;
		} else {
			build_table(layout, image, &bitmap);
		}
		*first = bitmap;
		build_entry(image, off, &bitmap);
		off += entry_bytes(&bitmap);
	}
	return off;
}

/* Tables, data and directory; fills in the payload of the bitmaps extension. */
static void build_bitmaps(const struct layout *layout, struct image *image,
			  uint8_t payload[24])
{
	struct image at_payload = {.bytes = payload, .size = 24};
	uint64_t bytes = 0, count = 0, off;

	for (unsigned i = 0; i < layout->bitmaps; i++) {
		for (uint64_t j = 0; j < times(&layout->bitmap[i]); j++) {
			struct bitmap bitmap = repeated(&layout->bitmap[i], j);

			bytes += entry_bytes(&bitmap);
			count++;
		}
	}
	off = append(layout, image, bytes);
	image_store(&at_payload, 0, 4, count);
	image_store(&at_payload, 8, 8, bytes);
	image_store(&at_payload, 16, 8, off);
	for (unsigned i = 0; i < layout->bitmaps; i++)
		off = build_line(layout, image, &layout->bitmap[i], off);
	image_store(image, 88, 8, 1);
}

/* Appends to the header cluster at *off. */
static void put(const struct layout *layout, struct image *image, uint64_t *off,
		const uint8_t *bytes, size_t size)
{
	if (*off + size > 1ull << layout->cluster_bits)
		recipe_fail("the header extensions are longer than a cluster");
	memcpy(image->bytes + *off, bytes, size);
	*off += size;
}

static void build_extensions(const struct layout *layout, struct image *image,
			     const uint8_t payload[24])
{
	static const uint8_t zeros[8];
	uint64_t off = layout->header_bytes;

	for (unsigned i = 0; i < layout->extensions; i++) {
		const struct extension *extension = &layout->extension[i];
		bool bitmaps =
			extension->type == EXTENSION_BITMAPS && !extension->data.size;
		size_t size = bitmaps ? 24 : extension->data.size;
		uint64_t start = off;

		put(layout, image, &off, zeros, 8);
		image_store(image, start, 4, extension->type);
		image_store(image, start + 4, 4, size);
		put(layout, image, &off, bitmaps ? payload : extension->data.bytes, size);
		put(layout, image, &off, zeros, (8 - size % 8) % 8);
	}
	put(layout, image, &off, zeros, 8);
	if (layout->backing.size) {
		image_store(image, 8, 8, off);
		image_store(image, 16, 4, layout->backing.size);
		put(layout, image, &off, layout->backing.bytes, layout->backing.size);
	}
}

/* Every cluster of the image is referred to once, the refcount blocks included. */
static void build_refcounts(const struct layout *layout, struct image *image)
{
	uint64_t cluster_bytes = 1ull << layout->cluster_bits,
		 in_block = cluster_bytes / 2;
	uint64_t others = image->size >> layout->cluster_bits, tables = 1;
	uint64_t blocks = 1, table_off, off;

	while (blocks * in_block < others + tables + blocks) {
		blocks = divide_up(others + tables + blocks, in_block);
		tables = divide_up(blocks, cluster_bytes / 8);
	}
	table_off = append(layout, image, tables << layout->cluster_bits);
	off = append(layout, image, blocks << layout->cluster_bits);
	image_store(image, 48, 8, table_off);
	image_store(image, 56, 4, tables);
	for (uint64_t i = 0; i < blocks; i++)
		image_store(image, table_off + 8 * i, 8,
			    off + (i << layout->cluster_bits));
	for (uint64_t i = 0; i < image->size >> layout->cluster_bits; i++)
		image_store(image, off + 2 * i, 2, 1);
}

void layout_build(const struct layout *layout, struct image *image)
{
	uint8_t payload[24] = {0};
	struct layout whole = *layout;
	bool placed = false;

	for (unsigned i = 0; i < layout->extensions; i++)
		placed |= layout->extension[i].type == EXTENSION_BITMAPS;
	if (layout->bitmaps && !placed)
		whole.extension[whole.extensions++].type = EXTENSION_BITMAPS;
	append(layout, image, 1);
	build_header(layout, image);
	build_guest(layout, image);
	if (layout->bitmaps || placed)
		build_bitmaps(layout, image, payload);
	build_extensions(&whole, image, payload);
	build_refcounts(layout, image);
}
