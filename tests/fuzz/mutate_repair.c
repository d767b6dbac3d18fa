/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making right again what a reader checks first; now and then it is left as it is. */
#include "image_fields.h"
#include "mutate_image.h"

struct repair {
	uint8_t *image;
	size_t size;
	unsigned cluster_bits;
	struct random *random;
};

static uint64_t load(const struct repair *repair, uint64_t off, unsigned bytes)
{
	return field_load(repair->image, repair->size, off, bytes);
}

static void store(const struct repair *repair, uint64_t off, unsigned bytes,
		  uint64_t number)
{
	field_store(repair->image, repair->size, off, bytes, number);
}

static bool is_due(struct repair *repair)
{
	return !random_percent(repair->random, 3);
}

/* The bits that may be set stay. */
static void mask(struct repair *repair, uint64_t off, unsigned bytes, uint64_t allowed)
{
	if (is_due(repair))
		store(repair, off, bytes, load(repair, off, bytes) & allowed);
}

static void at_most(struct repair *repair, uint64_t off, unsigned bytes, uint64_t limit)
{
	uint64_t number = load(repair, off, bytes);
	if (number > limit && is_due(repair))
		store(repair, off, bytes, number % (limit + 1));
}

static void align(struct repair *repair, uint64_t off)
{
	mask(repair, off, 8,
	     FIELD_OFFSET_MASK & ~(((uint64_t)1 << repair->cluster_bits) - 1));
}

static void repair_features(struct repair *repair)
{
	/* Dirty and corrupt are refused by every edit; an external data file has no guest. */
	mask(repair, FIELD_INCOMPATIBLE, 8,
	     random_percent(repair->random, 90) ? 0x10 : 0x1f);
	if (repair->cluster_bits < 14)
		mask(repair, FIELD_INCOMPATIBLE, 8, ~(uint64_t)0x10);
	if (load(repair, FIELD_HEADER_LENGTH, 4) > 104 && is_due(repair))
		store(repair, FIELD_COMPRESSION, 1,
		      load(repair, FIELD_INCOMPATIBLE, 8) >> 3 & 1);
	at_most(repair, FIELD_CRYPT_METHOD, 4, 2);
}

static void repair_header(struct repair *repair)
{
	if (is_due(repair))
		store(repair, 0, 4, 0x514649fb);
	if (is_due(repair))
		store(repair, FIELD_VERSION, 4, 3);
	uint64_t bits = load(repair, FIELD_CLUSTER_BITS, 4);
	if (bits < 9 || bits > 21)
		store(repair, FIELD_CLUSTER_BITS, 4, 9);
	repair->cluster_bits = (unsigned)load(repair, FIELD_CLUSTER_BITS, 4);
	at_most(repair, FIELD_REFCOUNT_ORDER, 4, 6);
	uint64_t length = load(repair, FIELD_HEADER_LENGTH, 4);
	if ((length < 104 || length > 300 || length % 8 != 0) && is_due(repair))
		store(repair, FIELD_HEADER_LENGTH, 4,
		      104 + 8 * random_below(repair->random, 3));
	repair_features(repair);
	at_most(repair, FIELD_BACKING, 8, ((uint64_t)1 << repair->cluster_bits) - 1);
	at_most(repair, FIELD_BACKING_SIZE, 4, 200);
	align(repair, FIELD_L1_TABLE);
	align(repair, FIELD_REFTABLE);
	align(repair, FIELD_SNAPSHOTS);
	at_most(repair, FIELD_REFTABLE_CLUSTERS, 4, 8);
	at_most(repair, FIELD_NB_SNAPSHOTS, 4, 3);
	at_most(repair, FIELD_L1_SIZE, 4, repair->size / 8);
	/* A disk that the L1 table has room for. */
	unsigned shift = 2 * repair->cluster_bits - 3 -
			 (unsigned)(load(repair, FIELD_INCOMPATIBLE, 8) >> 4 & 1);
	uint64_t entries = load(repair, FIELD_L1_SIZE, 4);
	uint64_t limit = entries >> (63 - shift) != 0 ? INT64_MAX : entries << shift;
	at_most(repair, FIELD_SIZE, 8, limit);
}

/* The number of clusters that a bitmap of this granularity has. */
static uint64_t table_entries(const struct repair *repair, uint64_t granularity_bits)
{
	uint64_t bytes = load(repair, FIELD_SIZE, 8) & ~(uint64_t)511;
	if (bytes == 0)
		return 0;
	uint64_t words = (((bytes - 1) >> granularity_bits) + 64) / 64;
	return (words * 8 - 1 + ((uint64_t)1 << repair->cluster_bits)) >>
	       repair->cluster_bits;
}

static void repair_table(struct repair *repair, uint64_t off, uint64_t entries)
{
	for (uint64_t i = 0; i < entries && off + i * 8 < repair->size; i++)
		if (load(repair, off + i * 8, 8) != 1)
			align(repair, off + i * 8);
}

/* Returns how long the entry is. */
static uint64_t repair_entry(struct repair *repair, uint64_t off)
{
	if (is_due(repair))
		store(repair, off + 16, 1, 1);
	mask(repair, off + 12, 4, random_percent(repair->random, 10) ? 7 : 6);
	at_most(repair, off + 17, 1, 63);
	at_most(repair, off + 18, 2, 1023);
	if (load(repair, off + 18, 2) == 0 && is_due(repair))
		store(repair, off + 18, 2, 1);
	at_most(repair, off + 20, 4, 64);
	align(repair, off);
	/* As coarse as it takes for the table to be inside the file. */
	uint64_t granularity_bits = load(repair, off + 17, 1) & 63;
	while (granularity_bits < 63 &&
	       table_entries(repair, granularity_bits) > repair->size / 8)
		granularity_bits++;
	if (is_due(repair)) {
		store(repair, off + 17, 1, granularity_bits);
		store(repair, off + 8, 4, table_entries(repair, granularity_bits));
	}
	repair_table(repair, load(repair, off, 8), load(repair, off + 8, 4));
	return (24 + load(repair, off + 18, 2) + load(repair, off + 20, 4) + 7) / 8 * 8;
}

static void repair_bitmaps(struct repair *repair)
{
	uint64_t data = field_find_extension(repair->image, repair->size,
					     FIELD_EXTENSION_BITMAPS);
	if (data == 0) {
		mask(repair, FIELD_AUTOCLEAR, 8, ~(uint64_t)1);
		return;
	}
	if (is_due(repair))
		store(repair, FIELD_AUTOCLEAR, 8, load(repair, FIELD_AUTOCLEAR, 8) | 1);
	if (is_due(repair))
		store(repair, data - 4, 4, 24);
	if (is_due(repair))
		store(repair, data + 4, 4, 0);
	align(repair, data + 16);
	at_most(repair, data, 4, 20);
	uint64_t off = load(repair, data + 16, 8), at = off;
	for (uint64_t left = load(repair, data, 4); left > 0 && at < repair->size; left--)
		at += repair_entry(repair, at);
	if (is_due(repair))
		store(repair, data + 8, 8, at - off);
}

static void repair_snapshots(struct repair *repair)
{
	uint64_t count = load(repair, FIELD_NB_SNAPSHOTS, 4);
	uint64_t at = load(repair, FIELD_SNAPSHOTS, 8);
	for (uint64_t i = 0; i < count && i < 8 && at < repair->size; i++) {
		align(repair, at);
		at_most(repair, at + 8, 4, repair->size / 8);
		at_most(repair, at + 12, 2, 64);
		at_most(repair, at + 14, 2, 64);
		at_most(repair, at + 36, 4, 64);
		at += (40 + load(repair, at + 12, 2) + load(repair, at + 14, 2) +
		       load(repair, at + 36, 4) + 7) /
		      8 * 8;
	}
}

void mutate_repair(uint8_t *image, size_t size, struct random *random)
{
	struct repair repair = {.image = image, .size = size, .random = random};
	repair_header(&repair);
	repair_bitmaps(&repair);
	repair_snapshots(&repair);
	repair_table(&repair, load(&repair, FIELD_REFTABLE, 8),
		     (load(&repair, FIELD_REFTABLE_CLUSTERS, 4) & 15)
			     << (repair.cluster_bits - 3));
}
