/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clusters and their refcounts, in an image that grows in memory. */
#include "build_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OLD_BYTES 0xa5 /* what free clusters hold: nobody may take it for zeros */

static void impossible(const char *why)
{
	fprintf(stderr, "build_image: %s\n", why);
	abort();
}

/* Makes the image reach to cluster `end`. */
static void reach(struct place *place, uint64_t end)
{
	if (end <= place->clusters)
		return;
	size_t had = (size_t)(place->clusters << place->cluster_bits);
	size_t bytes = (size_t)(end << place->cluster_bits);
	place->bytes = realloc(place->bytes, bytes);
	place->refs = realloc(place->refs, (size_t)end * sizeof(*place->refs));
	if (place->bytes == NULL || place->refs == NULL)
		impossible("out of memory");
	memset(place->bytes + had, OLD_BYTES, bytes - had);
	memset(place->refs + place->clusters, 0,
	       (size_t)(end - place->clusters) * sizeof(*place->refs));
	place->clusters = end;
}

void place_begin(struct place *place, uint64_t seed, unsigned cluster_bits,
		 unsigned gap_percent)
{
	*place = (struct place){.cluster_bits = cluster_bits, .gap_percent = gap_percent};
	random_seed(&place->random, seed);
}

uint64_t place_take(struct place *place, uint64_t count)
{
	if (place->next != 0 && !place->has_jumped &&
	    random_percent(&place->random, place->gap_percent))
		place->next += random_between(&place->random, 1, 4);
	uint64_t first = place->next;
	place->next += count;
	reach(place, place->next);
	for (uint64_t i = 0; i < count; i++)
		place->refs[first + i]++;
	if (place->has_jumped) {
		place->has_jumped = false;
		place->next = place->saved;
	}
	return first;
}

uint64_t place_bytes(struct place *place, uint64_t bytes, uint8_t fill)
{
	uint64_t cluster_bytes = (uint64_t)1 << place->cluster_bits;
	uint64_t count = (bytes + cluster_bytes - 1) >> place->cluster_bits;
	uint64_t off = place_take(place, count) << place->cluster_bits;
	memset(place->bytes + off, fill, (size_t)(count << place->cluster_bits));
	return off;
}

/* log2 of how many clusters one refcount block counts. */
static unsigned block_shift(const struct place *place, unsigned order)
{
	return place->cluster_bits + 3 - order;
}

void place_jump(struct place *place, unsigned refcount_order, unsigned table_clusters)
{
	uint64_t entries = ((uint64_t)table_clusters << place->cluster_bits) / 8;
	uint64_t limit = entries << block_shift(place, refcount_order);
	uint64_t to = limit - random_between(&place->random, 1, 20);
	if (to < place->next + 64)
		return;
	place->saved = place->next;
	place->has_jumped = true;
	place->next = to;
}

void place_reserve_blocks(struct place *place)
{
	place->pool = place->next;
	place->pool_left = PLACE_POOL_BLOCKS;
	place->next += PLACE_POOL_BLOCKS;
	reach(place, place->next);
}

static uint64_t take_block(struct place *place)
{
	if (place->pool_left == 0)
		return place_take(place, 1);
	place->pool_left--;
	place->refs[place->pool]++;
	return place->pool++;
}

/* Blocks for all clusters that are counted, those of the blocks included. */
static void place_blocks(struct place *place, unsigned order, uint64_t table_off,
			 uint64_t table_bytes)
{
	unsigned shift = block_shift(place, order);
	bool again = true;
	while (again) {
		again = false;
		for (uint64_t c = 0; c < place->clusters; c++) {
			uint64_t slot = table_off + (c >> shift) * 8;
			if (place->refs[c] == 0)
				continue;
			if (slot - table_off >= table_bytes)
				impossible("the refcount table is too short");
			if (place_load(place, slot) != 0)
				continue;
			uint64_t off = take_block(place) << place->cluster_bits;
			memset(place->bytes + off, 0, (size_t)1 << place->cluster_bits);
			place_store(place, slot, 8, off);
			again = true;
		}
	}
}

static void store_refcount(struct place *place, unsigned order, uint64_t block,
			   uint64_t idx, uint64_t value)
{
	uint64_t bit = idx << order;
	if (order < 6 && value >> (1u << order) != 0)
		impossible("a refcount does not fit");
	if (order >= 3)
		place_store(place, block + bit / 8, 1u << (order - 3), value);
	else
		place->bytes[block + bit / 8] |= (uint8_t)(value << bit % 8);
}

void place_write_refcounts(struct place *place, unsigned order, uint64_t table_off,
			   uint64_t table_clusters)
{
	unsigned shift = block_shift(place, order);
	place_blocks(place, order, table_off, table_clusters << place->cluster_bits);
	for (uint64_t c = 0; c < place->clusters; c++)
		if (place->refs[c] != 0)
			store_refcount(place, order,
				       place_load(place, table_off + (c >> shift) * 8),
				       c & (((uint64_t)1 << shift) - 1), place->refs[c]);
}

void place_store(struct place *place, uint64_t off, unsigned bytes, uint64_t value)
{
	for (unsigned i = bytes; i-- > 0; value >>= 8)
		place->bytes[off + i] = (uint8_t)value;
}

uint64_t place_load(const struct place *place, uint64_t off)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | place->bytes[off + i];
	return value;
}

void place_end(struct place *place, uint64_t free_clusters, struct memory_file *file)
{
	uint64_t used = place->clusters;
	while (place->refs[used - 1] == 0)
		used--;
	reach(place, used + free_clusters);
	memory_file_fill(file, place->bytes,
			 (used + free_clusters) << place->cluster_bits);
	free(place->bytes);
	free(place->refs);
}
