/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Building an image: header, guest data, bitmaps, and at last the refcounts of it all. */
#include "build_image.h"

#include "build_place.h"

#include <stdlib.h>
#include <string.h>

#define INCOMPATIBLE_EXTENDED_L2 (1u << 4)
#define BITMAPS_EXTENSION 0x23852875u
#define ENCRYPTION_EXTENSION 0x0537be77u
#define COMPRESSED ((uint64_t)1 << 62)
#define COPIED ((uint64_t)1 << 63)
#define ZERO_FLAG 1u

uint64_t build_bits(uint64_t virtual_bytes, unsigned granularity_bits)
{
	uint64_t below = ((uint64_t)1 << granularity_bits) - 1;
	return (virtual_bytes >> granularity_bits) + ((virtual_bytes & below) != 0);
}

/* What the parts of the image leave behind for the header. */
struct places {
	uint64_t l1_off, l1_entries;
	uint64_t table_off, table_clusters;
	uint64_t snapshots_off;
	uint64_t encryption_off;
	uint64_t directory_off, directory_bytes;
};

/* ---- The guest's data ---- */

static uint64_t compressed_entry(struct place *place, unsigned cluster_bits,
				 uint64_t first)
{
	unsigned sector_bits = cluster_bits - 8;
	uint64_t sectors = ((uint64_t)1 << cluster_bits) / 512;
	uint64_t start = random_below(&place->random, sectors);
	uint64_t more = random_below(&place->random, sectors - start);
	uint64_t off =
		(first << cluster_bits) + start * 512 + random_below(&place->random, 512);
	return COMPRESSED | more << (62 - sector_bits) | off;
}

static uint64_t guest_entry(const struct build *build, struct place *place, bool is_last)
{
	uint64_t kind = random_below(&place->random, 10);
	if (kind == 0 && !build->extended_l2 && !is_last)
		return ZERO_FLAG;
	if (is_last && build->near_table_end)
		place_jump(place, build->refcount_order,
			   build->table_clusters == 0 ? 1 : build->table_clusters);
	uint64_t first = place_take(place, 1);
	place->refs[first] += build->snapshots;
	if (kind == 1)
		return compressed_entry(place, build->cluster_bits, first);
	uint64_t entry = first << build->cluster_bits;
	if (kind == 2 && !build->extended_l2)
		entry |= ZERO_FLAG;
	return build->snapshots == 0 ? entry | COPIED : entry;
}

/* The second half of an extended entry: all data, none (room allocated ahead), or of each
 * subcluster data, zeros or nothing. A compressed cluster has none. */
static uint64_t subclusters(struct place *place, uint64_t entry)
{
	uint64_t kind = random_below(&place->random, 4);
	if ((entry & COMPRESSED) != 0 || kind == 0)
		return 0;
	if (kind == 1)
		return 0xffffffffu;
	uint64_t data = random_below(&place->random, (uint64_t)1 << 32);
	uint64_t zeros = random_below(&place->random, (uint64_t)1 << 32) & ~data;
	return data | zeros << 32;
}

/* The L2 table that covers guest cluster `guest`; it is made when it is missing. */
static uint64_t l2_table(const struct build *build, struct place *place, uint64_t l1_off,
			 uint64_t l1_idx)
{
	uint64_t entry = place_load(place, l1_off + l1_idx * 8);
	if (entry != 0)
		return entry & ~COPIED;
	uint64_t first = place_take(place, 1);
	memset(place->bytes + (first << build->cluster_bits), 0,
	       (size_t)1 << build->cluster_bits);
	place->refs[first] += build->snapshots;
	place_store(place, l1_off + l1_idx * 8, 8,
		    first << build->cluster_bits | (build->snapshots == 0 ? COPIED : 0));
	return first << build->cluster_bits;
}

static void write_guest(const struct build *build, struct place *place,
			struct places *places)
{
	unsigned shift = build->extended_l2 ? 4 : 3;
	unsigned l2_bits = build->cluster_bits - shift;
	uint64_t clusters = build_bits(build->virtual_bytes, build->cluster_bits);
	places->l1_entries = build_bits(clusters, l2_bits);
	if (places->l1_entries == 0)
		return;
	places->l1_off = place_bytes(place, places->l1_entries * 8, 0);
	for (unsigned i = 0; i < build->guest_clusters; i++) {
		uint64_t guest = random_below(&place->random, clusters);
		uint64_t l2 = l2_table(build, place, places->l1_off, guest >> l2_bits);
		uint64_t slot = l2 + ((guest & (((uint64_t)1 << l2_bits) - 1)) << shift);
		if (place_load(place, slot) != 0)
			continue;
		uint64_t entry =
			guest_entry(build, place, i + 1 == build->guest_clusters);
		place_store(place, slot, 8, entry);
		if (build->extended_l2)
			place_store(place, slot + 8, 8, subclusters(place, entry));
	}
}

/* Every snapshot has a copy of the L1 table; the L2 tables and the data are shared. */
static void write_snapshots(const struct build *build, struct place *place,
			    struct places *places)
{
	enum { HEAD = 40, EXTRA = 24, ID = 1, NAME = 3, ENTRY = HEAD + EXTRA + 8 };
	if (build->snapshots == 0)
		return;
	places->snapshots_off = place_bytes(place, build->snapshots * ENTRY, 0);
	for (unsigned i = 0; i < build->snapshots; i++) {
		uint64_t at = places->snapshots_off + i * ENTRY, l1_off = 0;
		if (places->l1_entries != 0) {
			l1_off = place_bytes(place, places->l1_entries * 8, 0);
			memcpy(place->bytes + l1_off, place->bytes + places->l1_off,
			       (size_t)places->l1_entries * 8);
		}
		place_store(place, at, 8, l1_off);
		place_store(place, at + 8, 4, places->l1_entries);
		place_store(place, at + 12, 2, ID);
		place_store(place, at + 14, 2, NAME);
		place_store(place, at + 36, 4, EXTRA);
		place_store(place, at + 48, 8, build->virtual_bytes);
		place_store(place, at + 56, 8, UINT64_MAX);
		memcpy(place->bytes + at + HEAD + EXTRA, "1abc", ID + NAME);
		place->bytes[at + HEAD + EXTRA] = (uint8_t)('1' + i);
	}
}

/* ---- Bitmaps ---- */

/* Writes one cluster of data; returns its table entry. */
static uint64_t write_data(const struct build *build, struct place *place,
			   const uint8_t *bits, uint64_t count)
{
	uint64_t per_cluster = (uint64_t)8 << build->cluster_bits, ones = 0;
	for (uint64_t i = 0; i < count; i++)
		ones += bits[i];
	/* Some are stored although an entry without data would do. */
	if (ones == 0 && !random_percent(&place->random, 20))
		return 0;
	if (ones == count && count == per_cluster && !random_percent(&place->random, 20))
		return 1;
	uint64_t off = place_bytes(place, (uint64_t)1 << build->cluster_bits, 0);
	for (uint64_t i = 0; i < count; i++)
		place->bytes[off + i / 8] |= (uint8_t)(bits[i] << i % 8);
	return off;
}

static uint64_t write_table(const struct build *build, struct place *place,
			    const struct build_bitmap *bitmap, uint64_t *entries)
{
	uint64_t bits = build_bits(build->virtual_bytes, bitmap->granularity_bits);
	uint64_t per_cluster = (uint64_t)8 << build->cluster_bits;
	*entries = build_bits(bits, build->cluster_bits + 3);
	uint64_t off = place_bytes(place, *entries * 8, 0);
	for (uint64_t i = 0; bitmap->bits != NULL && i < *entries; i++) {
		uint64_t left = bits - i * per_cluster;
		place_store(place, off + i * 8, 8,
			    write_data(build, place, bitmap->bits + i * per_cluster,
				       left < per_cluster ? left : per_cluster));
	}
	return off;
}

static uint64_t entry_bytes(const struct build_bitmap *bitmap)
{
	return (24 + bitmap->extra_bytes + (uint64_t)bitmap->name_bytes + 7) &
	       ~(uint64_t)7;
}

static void write_bitmaps(const struct build *build, struct place *place,
			  struct places *places)
{
	for (unsigned i = 0; i < build->bitmap_count; i++)
		places->directory_bytes += entry_bytes(&build->bitmaps[i]);
	if (build->bitmap_count == 0)
		return;
	places->directory_off = place_bytes(place, places->directory_bytes, 0);
	uint64_t at = places->directory_off;
	for (unsigned i = 0; i < build->bitmap_count; i++) {
		const struct build_bitmap *bitmap = &build->bitmaps[i];
		uint64_t entries, off = write_table(build, place, bitmap, &entries);
		place_store(place, at, 8, off);
		place_store(place, at + 8, 4, entries);
		place_store(place, at + 12, 4, bitmap->flags);
		place->bytes[at + 16] = 1;
		place->bytes[at + 17] = bitmap->granularity_bits;
		place_store(place, at + 18, 2, bitmap->name_bytes);
		place_store(place, at + 20, 4, bitmap->extra_bytes);
		if (bitmap->extra_bytes != 0)
			memcpy(place->bytes + at + 24, bitmap->extra,
			       bitmap->extra_bytes);
		memcpy(place->bytes + at + 24 + bitmap->extra_bytes, bitmap->name,
		       bitmap->name_bytes);
		at += entry_bytes(bitmap);
	}
}

/* ---- The header cluster ---- */

static uint64_t write_extension(struct place *place, uint64_t at, uint32_t type,
				uint32_t bytes)
{
	place_store(place, at, 4, type);
	place_store(place, at + 4, 4, bytes);
	for (uint32_t i = 0; i < bytes; i++)
		place->bytes[at + 8 + i] = (uint8_t)random_word(&place->random);
	return at + 8 + ((bytes + 7) & ~(uint64_t)7);
}

static uint64_t write_unknown(struct place *place, uint64_t at,
			      const struct build_extension *extensions)
{
	for (unsigned i = 0; i < 4 && extensions[i].type != 0; i++)
		at = write_extension(place, at, extensions[i].type, extensions[i].bytes);
	return at;
}

static uint64_t write_extensions(const struct build *build, struct place *place,
				 const struct places *places, uint64_t at)
{
	at = write_unknown(place, at, build->before);
	if (build->bitmap_count != 0) {
		uint64_t data = at + 8;
		at = write_extension(place, at, BITMAPS_EXTENSION, 24);
		place_store(place, data, 4, build->bitmap_count);
		place_store(place, data + 4, 4, 0);
		place_store(place, data + 8, 8, places->directory_bytes);
		place_store(place, data + 16, 8, places->directory_off);
	}
	at = write_unknown(place, at, build->behind);
	if (build->encryption_header) {
		uint64_t data = at + 8;
		at = write_extension(place, at, ENCRYPTION_EXTENSION, 16);
		place_store(place, data, 8, places->encryption_off);
		place_store(place, data + 8, 8,
			    ((uint64_t)1 << build->cluster_bits) + 100);
	}
	return at + 8; /* the end marker is zero already */
}

static void write_header(const struct build *build, struct place *place,
			 const struct places *places)
{
	unsigned header_bytes = build->header_bytes == 0 ? 112 : build->header_bytes;
	uint64_t end = write_extensions(build, place, places, header_bytes);
	place_store(place, 0, 4, 0x514649fbu);
	place_store(place, 4, 4, 3);
	if (build->backing_name != NULL) {
		size_t bytes = strlen(build->backing_name);
		place_store(place, 8, 8, end + build->backing_gap);
		place_store(place, 16, 4, bytes);
		memcpy(place->bytes + end + build->backing_gap, build->backing_name,
		       bytes);
	}
	place_store(place, 20, 4, build->cluster_bits);
	place_store(place, 24, 8, build->virtual_bytes);
	place_store(place, 32, 4, build->encryption_header ? 2 : 0);
	place_store(place, 36, 4, places->l1_entries);
	place_store(place, 40, 8, places->l1_off);
	place_store(place, 48, 8, places->table_off);
	place_store(place, 56, 4, places->table_clusters);
	place_store(place, 60, 4, build->snapshots);
	place_store(place, 64, 8, places->snapshots_off);
	place_store(place, 72, 8, build->extended_l2 ? INCOMPATIBLE_EXTENDED_L2 : 0);
	place_store(place, 88, 8, build->autoclear | (build->bitmap_count != 0));
	place_store(place, 96, 4, build->refcount_order);
	place_store(place, 100, 4, header_bytes);
	for (unsigned i = 112; i < header_bytes; i++)
		place->bytes[i] = (uint8_t)random_word(&place->random);
}

void build_image(const struct build *build, struct memory_file *file)
{
	struct place place;
	struct places places = {0};
	place_begin(&place, build->seed, build->cluster_bits, build->gap_percent);
	place_bytes(&place, 1, 0);
	places.table_clusters = build->table_clusters == 0 ? 1 : build->table_clusters;
	places.table_off =
		place_bytes(&place, places.table_clusters << build->cluster_bits, 0);
	place_reserve_blocks(&place);
	if (build->encryption_header)
		places.encryption_off = place_bytes(
			&place, ((uint64_t)1 << build->cluster_bits) + 100, 0);
	/* Some bitmaps stand before the guest's data, some behind it. */
	if (random_percent(&place.random, 50)) {
		write_bitmaps(build, &place, &places);
		write_guest(build, &place, &places);
	} else {
		write_guest(build, &place, &places);
		write_bitmaps(build, &place, &places);
	}
	write_snapshots(build, &place, &places);
	place_write_refcounts(&place, build->refcount_order, places.table_off,
			      places.table_clusters);
	write_header(build, &place, &places);
	place_end(&place, build->free_at_end, file);
}
