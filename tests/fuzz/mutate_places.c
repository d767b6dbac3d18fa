/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding the structures of an image that may be broken in any way. */
#include "image_fields.h"
#include "mutate_image.h"

#include <string.h>

struct finder {
	struct mutate_places *places;
	const uint8_t *image;
	size_t size;
	uint64_t cluster_bytes;
};

static uint64_t load(const struct finder *finder, uint64_t off, unsigned bytes)
{
	return field_load(finder->image, finder->size, off, bytes);
}

/* The field at `pointer` names a structure of so many bytes; returns where that is. */
static uint64_t add(struct finder *finder, uint64_t pointer, uint64_t bytes)
{
	struct mutate_places *places = finder->places;
	uint64_t off = load(finder, pointer, 8) & FIELD_OFFSET_MASK;
	if (places->pointers < MUTATE_MAX_PLACES)
		places->pointer[places->pointers++] = pointer;
	if (off >= finder->size || places->count == MUTATE_MAX_PLACES)
		return finder->size;
	places->off[places->count] = off;
	places->bytes[places->count++] =
		bytes < finder->size - off ? bytes : finder->size - off;
	return off;
}

/* A table of offsets: of them at most four, that others have room too. */
static void add_table(struct finder *finder, uint64_t pointer, uint64_t bytes,
		      unsigned levels)
{
	uint64_t off = add(finder, pointer, bytes);
	unsigned found = 0;
	for (uint64_t at = 0; at < bytes && off + at < finder->size && found < 4;
	     at += 8) {
		if (load(finder, off + at, 8) < finder->cluster_bytes)
			continue;
		found++;
		if (levels > 1)
			add_table(finder, off + at, finder->cluster_bytes, levels - 1);
		else
			add(finder, off + at, finder->cluster_bytes);
	}
}

static void add_bitmaps(struct finder *finder)
{
	uint64_t data = field_find_extension(finder->image, finder->size,
					     FIELD_EXTENSION_BITMAPS);
	if (data == 0)
		return;
	uint64_t count = load(finder, data, 4);
	uint64_t at = add(finder, data + 16, load(finder, data + 8, 8));
	for (uint64_t i = 0; i < count && i < 16 && at + 24 <= finder->size; i++) {
		add_table(finder, at, load(finder, at + 8, 4) * 8, 1);
		at += (24 + load(finder, at + 18, 2) + load(finder, at + 20, 4) + 7) / 8 *
		      8;
	}
}

static void add_snapshots(struct finder *finder)
{
	uint64_t count = load(finder, FIELD_NB_SNAPSHOTS, 4);
	uint64_t at = add(finder, FIELD_SNAPSHOTS, count > 8 ? 512 : count * 64);
	for (uint64_t i = 0; i < count && i < 4 && at + 40 <= finder->size; i++) {
		add_table(finder, at, load(finder, at + 8, 4) * 8, 1);
		at += (40 + load(finder, at + 12, 2) + load(finder, at + 14, 2) +
		       load(finder, at + 36, 4) + 7) /
		      8 * 8;
	}
}

void mutate_find_places(struct mutate_places *places, const uint8_t *image, size_t size)
{
	struct finder finder = {.places = places, .image = image, .size = size};
	uint64_t bits = field_load(image, size, FIELD_CLUSTER_BITS, 4);
	memset(places, 0, sizeof(*places));
	finder.cluster_bytes = (uint64_t)1 << (bits < 9 || bits > 21 ? 9 : bits);
	places->count = 1;
	places->bytes[0] = size < 512 ? size : 512;
	add_bitmaps(&finder);
	add_table(&finder, FIELD_REFTABLE,
		  load(&finder, FIELD_REFTABLE_CLUSTERS, 4) * finder.cluster_bytes, 1);
	add_snapshots(&finder);
	uint64_t encryption =
		field_find_extension(image, size, FIELD_EXTENSION_ENCRYPTION);
	if (encryption != 0)
		add(&finder, encryption, load(&finder, encryption + 8, 8));
	add_table(&finder, FIELD_L1_TABLE, load(&finder, FIELD_L1_SIZE, 4) * 8, 2);
}
