/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Refcount tables and blocks of all widths, 1 to 64 bits. */
#ifndef Q2_FORMAT_REFCOUNT_H
#define Q2_FORMAT_REFCOUNT_H

#include "../qcow2bm.h"

#define Q2_REFCOUNT_TABLE_ENTRY_BYTES 8
#define Q2_REFCOUNT_TABLE_OFFSET_MASK 0xfffffffffffffe00ull /* bits 9 .. 63 */

/* log2 of how many clusters one block counts. */
static inline unsigned q2_refcount_block_shift(unsigned cluster_bits, unsigned order)
{
	return cluster_bits + 3 - order;
}

/* The highest value of a refcount of this order. */
static inline uint64_t q2_refcount_max(unsigned order)
{
	return order == 6 ? UINT64_MAX : ((uint64_t)1 << (1u << order)) - 1;
}

/* Refcount number `idx` of a block. Widths under 8 bits start at the lowest bit of a byte. */
uint64_t q2_refcount_decode(const uint8_t *block, unsigned order, uint64_t idx);

/* `count` of them, from number `idx` on; values over UINT16_MAX as UINT16_MAX. */
void q2_refcount_decode_many(uint16_t *values, const uint8_t *block, unsigned order,
			     uint64_t idx, size_t count);
void q2_refcount_encode(uint8_t *block, unsigned order, uint64_t idx, uint64_t value);

/* The first index in [from, to) whose refcount is zero (nonzero), or `to`. Fast on long runs. */
uint64_t q2_refcount_find_zero(const uint8_t *block, unsigned order, uint64_t from,
			       uint64_t to);
uint64_t q2_refcount_find_nonzero(const uint8_t *block, unsigned order, uint64_t from,
				  uint64_t to);

#endif
