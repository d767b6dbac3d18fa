/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random damages of what an image keeps about its bitmaps. */
#include "../support/strict_reader.h"
#include "damage.h"

#include <string.h>

#define BITMAPS_EXTENSION 0x23852875u
#define AUTOCLEAR_OFF 88
#define EXTENSION_BYTES 32

/* A field that a damage hits. */
struct field {
	const char *name;
	uint64_t off;
	unsigned bytes;
};

static uint64_t load(const struct memory_file *file, uint64_t off, unsigned bytes)
{
	return strict_load(file->bytes + off, bytes);
}

static void store(struct memory_file *file, uint64_t off, unsigned bytes, uint64_t value)
{
	for (unsigned i = bytes; i-- > 0; value >>= 8)
		file->bytes[off + i] = (uint8_t)value;
}

static bool find_extension(struct damage_map *map, const struct memory_file *file)
{
	uint64_t off = load(file, 100, 4);
	while (off + EXTENSION_BYTES <= (uint64_t)1 << map->cluster_bits) {
		uint64_t type = load(file, off, 4);
		if (type == 0)
			return false;
		map->head_off = off;
		if (type == BITMAPS_EXTENSION)
			return true;
		off += 8 + (load(file, off + 4, 4) + 7) / 8 * 8;
	}
	return false;
}

bool damage_find(struct damage_map *map, const struct memory_file *file)
{
	memset(map, 0, sizeof(*map));
	map->cluster_bits = (unsigned)load(file, 20, 4);
	map->refcount_table_off = load(file, 48, 8);
	map->refcount_table_bytes = load(file, 56, 4) << map->cluster_bits;
	if (!find_extension(map, file))
		return false;
	map->bitmaps = load(file, map->head_off + 8, 4);
	map->directory_bytes = load(file, map->head_off + 16, 8);
	map->directory_off = load(file, map->head_off + 24, 8);
	uint64_t at = map->directory_off;
	if (map->bitmaps == 0 || map->bitmaps > DAMAGE_MAX_BITMAPS)
		return false;
	for (size_t i = 0; i < map->bitmaps; i++) {
		map->entry_off[i] = at;
		map->table_off[i] = load(file, at, 8);
		map->table_entries[i] = load(file, at + 8, 4);
		map->granularity_bits[i] = file->bytes[at + 17];
		map->name_bytes[i] = load(file, at + 18, 2);
		at += (24 + load(file, at + 18, 2) + load(file, at + 20, 4) + 7) / 8 * 8;
	}
	return true;
}

/* ---- Which field ------------------------------------------------------------------ */

static struct field pick_extension(const struct damage_map *map, struct random *random)
{
	static const struct field fields[] = {{"type", 0, 4},       {"length", 4, 4},
					      {"nb_bitmaps", 8, 4}, {"reserved", 12, 4},
					      {"size", 16, 8},      {"offset", 24, 8}};
	struct field field = fields[random_below(random, 6)];
	field.off += map->head_off;
	return field;
}

static struct field pick_entry(const struct damage_map *map, struct random *random)
{
	static const struct field fields[] = {{"table_offset", 0, 8},
					      {"table_size", 8, 4},
					      {"flags", 12, 4},
					      {"type", 16, 1},
					      {"granularity_bits", 17, 1},
					      {"name_size", 18, 2},
					      {"extra_data_size", 20, 4},
					      {"name", 24, 1},
					      {"table_offset", 0, 8},
					      {"granularity_bits", 17, 1}};
	size_t i = random_below(random, map->bitmaps);
	struct field field = fields[random_below(random, 10)];
	if (field.off == 24)
		field.off += random_below(random, map->name_bytes[i]);
	field.off += map->entry_off[i];
	return field;
}

static struct field pick_table(const struct damage_map *map, struct random *random)
{
	size_t i = random_below(random, map->bitmaps);
	uint64_t idx = random_below(random, map->table_entries[i]);
	return (struct field){"table entry", map->table_off[i] + idx * 8, 8};
}

static struct field pick_refcount(const struct damage_map *map, struct random *random,
				  const struct memory_file *file)
{
	uint64_t blocks = 0;
	while (blocks * 8 < map->refcount_table_bytes &&
	       load(file, map->refcount_table_off + blocks * 8, 8) != 0)
		blocks++;
	if (blocks == 0 || random_percent(random, 15))
		return (struct field){"refcount table entry",
				      map->refcount_table_off +
					      random_below(random, blocks + 1) * 8,
				      8};
	uint64_t block =
		load(file, map->refcount_table_off + random_below(random, blocks) * 8, 8);
	if (block + ((uint64_t)1 << map->cluster_bits) > file->length)
		return (struct field){"refcount table", 48, 8};
	/* Those of the clusters that the file has. */
	uint64_t used = (file->length >> map->cluster_bits) << load(file, 96, 4) >> 3;
	uint64_t bytes = (uint64_t)1 << map->cluster_bits;
	bytes = used < bytes ? used + 1 : bytes;
	return (struct field){"refcount", block + random_below(random, bytes), 1};
}

static struct field pick(const struct damage_map *map, struct random *random,
			 const struct memory_file *file)
{
	uint64_t part = random_below(random, 100);
	if (part < 18)
		return pick_extension(map, random);
	if (part < 55)
		return pick_entry(map, random);
	if (part < 80)
		return pick_table(map, random);
	if (part < 95)
		return pick_refcount(map, random, file);
	if (part < 98)
		return (struct field){"directory byte",
				      map->directory_off +
					      random_below(random, map->directory_bytes),
				      1};
	return (struct field){"autoclear bits", AUTOCLEAR_OFF, 8};
}

/* ---- What happens to it ------------------------------------------------------------ */

/* A number that has a meaning elsewhere: another bitmap's, or that of a place near by. */
static uint64_t foreign_number(const struct damage_map *map, struct random *random,
			       const struct memory_file *file, const struct field *field)
{
	size_t other = random_below(random, map->bitmaps);
	uint64_t cluster_bytes = (uint64_t)1 << map->cluster_bits;
	uint64_t old = load(file, field->off, field->bytes);
	switch (random_below(random, 7)) {
	case 0:
		return map->table_off[other];
	case 1:
		return load(file,
			    map->table_off[other] +
				    8 * random_below(random, map->table_entries[other]),
			    8);
	case 2:
		return map->table_entries[other];
	case 3:
		return map->granularity_bits[other];
	case 4:
		return old + cluster_bytes;
	case 5:
		return old - cluster_bytes;
	default:
		return random_below(random, file->length >> map->cluster_bits)
		       << map->cluster_bits;
	}
}

static void hit(const struct damage_map *map, struct memory_file *file,
		struct random *random, const struct field *field)
{
	uint64_t old = load(file, field->off, field->bytes);
	uint64_t kind = random_below(random, 100), value;
	if (kind < 45)
		value = old ^ (uint64_t)1 << random_below(random, field->bytes * 8);
	else if (kind < 60)
		value = old & ~((uint64_t)0xff << 8 * random_below(random, field->bytes));
	else if (kind < 68)
		value = 0;
	else if (kind < 74)
		value = old + 1;
	else if (kind < 80)
		value = old - 1;
	else if (kind < 94)
		value = foreign_number(map, random, file, field);
	else
		value = random_word(random);
	store(file, field->off, field->bytes, value);
}

void damage_do(const struct damage *damage, struct memory_file *file)
{
	store(file, damage->off, damage->bytes, damage->value);
}

struct damage damage_make(const struct damage_map *map, struct memory_file *file,
			  struct random *random)
{
	struct field field;
	uint64_t old;
	do {
		field = pick(map, random, file);
		old = load(file, field.off, field.bytes);
		hit(map, file, random, &field);
	} while (load(file, field.off, field.bytes) == old);
	return (struct damage){field.name, field.off, old,
			       load(file, field.off, field.bytes), field.bytes};
}
