/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bitmap tables, and the sizes that follow from a disk's size and a granularity. */
#ifndef Q2_FORMAT_TABLE_H
#define Q2_FORMAT_TABLE_H

#include "../qcow2bm.h"

#define Q2_TABLE_ENTRY_BYTES 8
#define Q2_TABLE_MAX_ENTRIES 0x8000000u            /* QEMU's limit */
#define Q2_TABLE_MAX_BITMAP_BYTES (512ull << 20)   /* QEMU's limit on one bitmap's data */
#define Q2_TABLE_OFFSET_MASK 0x00fffffffffffe00ull /* bits 9 .. 55 */
#define Q2_TABLE_RESERVED_MASK 0xff000000000001feull

/* An entry as a number: 0, 1, or the offset of a data cluster. */
#define Q2_TABLE_ZEROS 0ull /* all bits of the cluster are 0 */
#define Q2_TABLE_ONES 1ull  /* all bits of the cluster are 1 */

static inline bool q2_table_is_data(uint64_t entry)
{
	return entry > Q2_TABLE_ONES;
}

/* Decodes `count` entries and checks reserved bits and alignment. `off` is the table's place in
 * the image; buf may be the memory of entries. Errors: EIMAGE, naming the first bad entry. */
enum qcow2bm_code q2_table_decode(uint64_t *entries, const uint8_t *buf, uint32_t count,
				  uint32_t cluster_bits, uint64_t off,
				  struct qcow2bm_error *err);
/* The same for the one entry `idx`. */
enum qcow2bm_code q2_table_check_entry(uint64_t entry, uint32_t idx,
				       uint32_t cluster_bits, uint64_t off,
				       struct qcow2bm_error *err);
void q2_table_encode(const uint64_t *entries, uint8_t *buf, uint32_t count);

/* How a bitmap of a disk is laid out. */
struct q2_table_shape {
	uint64_t bits;    /* one per started granule of the disk */
	uint64_t bytes;   /* rounded up to whole 8-byte words, as QEMU does */
	uint64_t entries; /* clusters of data, all-zero and all-one ones included */
	uint64_t bits_per_cluster; /* bits in one cluster of data */
};

/* Never fails: every virtual size, granularity_bits 0 .. 63 and cluster_bits 9 .. 21 fit. Like
 * QEMU, the data is counted in whole 8-byte words. */
struct q2_table_shape q2_table_shape(uint64_t virtual_bytes, unsigned granularity_bits,
				     unsigned cluster_bits);

#endif
