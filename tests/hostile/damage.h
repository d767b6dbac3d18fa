/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random damages of what an image keeps about its bitmaps. */
#ifndef TESTS_HOSTILE_DAMAGE_H
#define TESTS_HOSTILE_DAMAGE_H

#include "../support/memory_storage.h"
#include "../support/random.h"

#define DAMAGE_MAX_BITMAPS 64

/* Where things are in the sound image. */
struct damage_map {
	unsigned cluster_bits;
	uint64_t head_off; /* of the bitmaps extension */
	uint64_t directory_off, directory_bytes;
	uint64_t refcount_table_off, refcount_table_bytes;
	size_t bitmaps;
	uint64_t entry_off[DAMAGE_MAX_BITMAPS], table_off[DAMAGE_MAX_BITMAPS];
	uint64_t table_entries[DAMAGE_MAX_BITMAPS];
	uint64_t granularity_bits[DAMAGE_MAX_BITMAPS], name_bytes[DAMAGE_MAX_BITMAPS];
};

/* False for an image without bitmaps, or with too many. */
bool damage_find(struct damage_map *map, const struct memory_file *file);

/* A field that was written over. */
struct damage {
	const char *name;
	uint64_t off, old, value;
	unsigned bytes;
};

void damage_do(const struct damage *damage, struct memory_file *file);

/* Does one damage: a bit, a byte or a field of the extension, the directory, a table, the refcount
 * table or block, or the autoclear bits; some move what belongs to one bitmap to another. */
struct damage damage_make(const struct damage_map *map, struct memory_file *file,
			  struct random *random);

#endif
