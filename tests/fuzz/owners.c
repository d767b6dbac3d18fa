/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fuzzer's own walk. It skips what it cannot follow and never fails. */
#include "owners.h"

#include "image_fields.h"

#include <stdlib.h>
#include <string.h>

static uint64_t load(const struct owners *owners, uint64_t off, unsigned bytes)
{
	return field_load(owners->image, owners->size, off, bytes);
}

static uint64_t cluster_bytes(const struct owners *owners)
{
	return (uint64_t)1 << owners->cluster_bits;
}

static void claim(struct owners *owners, unsigned owner, uint64_t off, uint64_t bytes)
{
	if (bytes == 0 || off >= owners->size)
		return;
	if (bytes > owners->size - off)
		bytes = owners->size - off;
	for (uint64_t i = off >> owners->cluster_bits;
	     i <= (off + bytes - 1) >> owners->cluster_bits; i++) {
		owners->owner[i] |= (uint8_t)owner;
		if ((owner & OWNER_OURS) != 0 && owners->claims[i] < 255)
			owners->claims[i]++;
	}
}

static void walk_refcounts(struct owners *owners)
{
	uint64_t table = load(owners, FIELD_REFTABLE, 8);
	uint64_t bytes = load(owners, FIELD_REFTABLE_CLUSTERS, 4) << owners->cluster_bits;
	claim(owners, OWNER_REFCOUNTS, table, bytes);
	for (uint64_t at = 0; at < bytes && table + at < owners->size; at += 8)
		if (load(owners, table + at, 8) != 0)
			claim(owners, OWNER_REFCOUNTS, load(owners, table + at, 8),
			      cluster_bytes(owners));
}

static void walk_l2(struct owners *owners, uint64_t off)
{
	uint64_t features = load(owners, FIELD_INCOMPATIBLE, 8);
	unsigned entry_bytes = features >> 4 & 1 ? 16 : 8;
	claim(owners, OWNER_MAPPING, off, cluster_bytes(owners));
	for (uint64_t at = off; at < off + cluster_bytes(owners) && at < owners->size &&
				(features >> 2 & 1) == 0;
	     at += entry_bytes) {
		uint64_t entry = load(owners, at, 8);
		uint64_t place = entry & FIELD_OFFSET_MASK, bytes = cluster_bytes(owners);
		if (entry >> 62 & 1) {
			unsigned bits = 62 - (owners->cluster_bits - 8);
			place = (entry & (((uint64_t)1 << bits) - 1)) / 512 * 512;
			bytes = 512 + 512 * ((entry & ~(3ull << 62)) >> bits);
		} else if (place == 0) {
			continue;
		}
		claim(owners, OWNER_GUEST, place, bytes);
	}
}

static void walk_l1(struct owners *owners, uint64_t off, uint64_t entries)
{
	claim(owners, OWNER_MAPPING, off, entries * 8);
	for (uint64_t i = 0; i < entries && off + i * 8 < owners->size; i++) {
		uint64_t l2 = load(owners, off + i * 8, 8) & FIELD_OFFSET_MASK;
		if (l2 != 0)
			walk_l2(owners, l2);
	}
}

static void walk_snapshots(struct owners *owners)
{
	uint64_t start = load(owners, FIELD_SNAPSHOTS, 8), at = start;
	uint64_t count = load(owners, FIELD_NB_SNAPSHOTS, 4);
	for (uint64_t i = 0; i < count && at + 40 <= owners->size; i++) {
		walk_l1(owners, load(owners, at, 8), load(owners, at + 8, 4));
		at += (40 + load(owners, at + 12, 2) + load(owners, at + 14, 2) +
		       load(owners, at + 36, 4) + 7) /
		      8 * 8;
	}
	claim(owners, OWNER_SNAPSHOTS, start, at - start);
}

/* A table that is not aligned or over QEMU's limit is followed by nobody. */
static void walk_table(struct owners *owners, uint64_t table, uint64_t entries)
{
	if (table % cluster_bytes(owners) != 0 ||
	    entries > (uint64_t)512 << 20 >> owners->cluster_bits)
		return;
	claim(owners, OWNER_BITMAP, table, entries * 8);
	for (uint64_t i = 0; i < entries && table + i * 8 < owners->size; i++)
		if (load(owners, table + i * 8, 8) > 1)
			claim(owners, OWNER_BITMAP,
			      load(owners, table + i * 8, 8) & FIELD_OFFSET_MASK,
			      cluster_bytes(owners));
}

static void walk_bitmaps(struct owners *owners)
{
	uint64_t data = field_find_extension(owners->image, owners->size,
					     FIELD_EXTENSION_BITMAPS);
	if (data == 0)
		return;
	uint64_t at = load(owners, data + 16, 8), count = load(owners, data, 4);
	claim(owners, OWNER_DIRECTORY, at, load(owners, data + 8, 8));
	for (uint64_t i = 0; i < count && at + 24 <= owners->size; i++) {
		walk_table(owners, load(owners, at, 8), load(owners, at + 8, 4));
		at += (24 + load(owners, at + 18, 2) + load(owners, at + 20, 4) + 7) / 8 *
		      8;
	}
}

void owners_find(struct owners *owners, const uint8_t *image, uint64_t size)
{
	*owners = (struct owners){.image = image, .size = size};
	owners->cluster_bits = (unsigned)load(owners, FIELD_CLUSTER_BITS, 4);
	owners->clusters = (size >> owners->cluster_bits) + 1;
	owners->owner = calloc(owners->clusters, 1);
	owners->claims = calloc(owners->clusters, 1);
	if (owners->owner == NULL || owners->claims == NULL)
		abort();
	claim(owners, OWNER_HEADER, 0, 1);
	walk_refcounts(owners);
	walk_l1(owners, load(owners, FIELD_L1_TABLE, 8), load(owners, FIELD_L1_SIZE, 4));
	walk_snapshots(owners);
	uint64_t encryption =
		field_find_extension(image, size, FIELD_EXTENSION_ENCRYPTION);
	if (encryption != 0)
		claim(owners, OWNER_ENCRYPTION, load(owners, encryption, 8),
		      load(owners, encryption + 8, 8));
	walk_bitmaps(owners);
}

void owners_free(struct owners *owners)
{
	free(owners->owner);
	free(owners->claims);
}

bool owners_share(const struct owners *owners)
{
	for (uint64_t i = 0; i < owners->clusters; i++)
		if ((owners->owner[i] & OWNER_BITMAP) != 0 &&
		    (owners->owner[i] & (OWNER_HEADER | OWNER_REFCOUNTS)) != 0)
			return true;
	return false;
}

uint64_t owners_refcount(const struct owners *owners, uint64_t cluster)
{
	unsigned order = (unsigned)load(owners, FIELD_REFCOUNT_ORDER, 4);
	unsigned shift = owners->cluster_bits + 3 - order;
	uint64_t entries =
		load(owners, FIELD_REFTABLE_CLUSTERS, 4) << owners->cluster_bits >> 3;
	uint64_t idx = cluster & (((uint64_t)1 << shift) - 1);
	if (cluster >> shift >= entries)
		return 0;
	uint64_t block =
		load(owners, load(owners, FIELD_REFTABLE, 8) + (cluster >> shift) * 8, 8);
	if (block == 0 || block % cluster_bytes(owners) != 0)
		return 0;
	if (order >= 3)
		return load(owners, block + (idx << (order - 3)), 1u << (order - 3));
	uint64_t byte = load(owners, block + (idx << order) / 8, 1);
	return byte >> (idx << order) % 8 & ((1u << (1u << order)) - 1);
}
