/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries of L1 and L2 tables, as far as they name clusters of the image file. Tables are read by
 * clusters/l1.c and l2.c alone. */
#ifndef Q2_FORMAT_MAPPING_H
#define Q2_FORMAT_MAPPING_H

#include "../qcow2bm.h"

#define Q2_MAPPING_L1_OFFSET_MASK 0x00fffffffffffe00ull /* bits 9 .. 55 */
#define Q2_MAPPING_L1_RESERVED 0x7f000000000001ffull
#define Q2_MAPPING_L2_OFFSET_MASK 0x00fffffffffffe00ull
#define Q2_MAPPING_L2_RESERVED 0x3f000000000001feull          /* of entries of 8 bytes */
#define Q2_MAPPING_L2_EXTENDED_RESERVED 0x3f000000000001ffull /* of entries of 16 bytes */
#define Q2_MAPPING_COMPRESSED (1ull << 62)
#define Q2_MAPPING_COPIED (1ull << 63)
#define Q2_MAPPING_ZERO (1ull << 0) /* standard entries without extended L2 */

/* The second half of an extended entry: a bit for each subcluster that has data, in its lower half,
 * and for each that reads as zeros, in its upper one. */
#define Q2_MAPPING_SUBCLUSTERS 32
#define Q2_MAPPING_SUBCLUSTER_BITS 5

/* The first number of a cluster that no entry can name. */
static inline uint64_t q2_mapping_cluster_limit(unsigned cluster_bits)
{
	return Q2_MAPPING_L1_OFFSET_MASK >> cluster_bits;
}

/* The host range that an L2 entry names: a whole cluster, or, compressed, the sectors of its
 * data. bytes is 0 when it names none. */
struct q2_mapping_range {
	uint64_t off;
	uint64_t bytes;
};

/* log2 of the bytes of one L2 entry: 3, or 4 with extended L2 entries. */
static inline unsigned q2_mapping_entry_shift(bool extended_l2)
{
	return extended_l2 ? 4 : 3;
}

/* Of an extended (host-order) entry, a bit for each subcluster that it has data or zeros for. All
 * of them when the entry is of a compressed cluster, or not understood. */
uint32_t q2_mapping_subclusters(uint64_t entry, uint64_t bitmap);

/* Where the stream of a compressed cluster begins, to the byte, and how many bytes there are up to the
 * end of its last sector: it ends somewhere in that. */
struct q2_mapping_range q2_mapping_stream(uint64_t entry, unsigned cluster_bits);

/* The range of a (host-order) L2 entry; of an extended one, its first 8 bytes. */
struct q2_mapping_range q2_mapping_l2_range(uint64_t entry, unsigned cluster_bits);

#endif
