/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which bytes of the image file an L2 entry names. */
#include "mapping.h"

#define SECTOR_BYTES 512ull

/* x of the specification's "Compressed Clusters Descriptor": the offset is below it, the
 * number of additional sectors from it up to bit 61. */
struct q2_mapping_range q2_mapping_stream(uint64_t entry, unsigned cluster_bits)
{
	unsigned sector_bits = cluster_bits - 8;
	unsigned x = 62 - sector_bits;
	uint64_t off = entry & (((uint64_t)1 << x) - 1);
	uint64_t additional = (entry >> x) & (((uint64_t)1 << sector_bits) - 1);
	return (struct q2_mapping_range){
		.off = off,
		.bytes = (additional + 1) * SECTOR_BYTES - off % SECTOR_BYTES,
	};
}

/* Whole sectors. */
static struct q2_mapping_range compressed_range(uint64_t entry, unsigned cluster_bits)
{
	struct q2_mapping_range stream = q2_mapping_stream(entry, cluster_bits);
	uint64_t before = stream.off % SECTOR_BYTES;
	return (struct q2_mapping_range){stream.off - before, stream.bytes + before};
}

struct q2_mapping_range q2_mapping_l2_range(uint64_t entry, unsigned cluster_bits)
{
	if ((entry & Q2_MAPPING_COMPRESSED) != 0)
		return compressed_range(entry, cluster_bits);
	struct q2_mapping_range range = {.off = entry & Q2_MAPPING_L2_OFFSET_MASK};
	if (range.off != 0)
		range.bytes = (uint64_t)1 << cluster_bits;
	return range;
}

uint32_t q2_mapping_subclusters(uint64_t entry, uint64_t bitmap)
{
	if ((entry & ~(Q2_MAPPING_L2_OFFSET_MASK | Q2_MAPPING_COPIED)) != 0)
		return UINT32_MAX;
	return (uint32_t)(bitmap | bitmap >> Q2_MAPPING_SUBCLUSTERS);
}
