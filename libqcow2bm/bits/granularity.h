/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bits of one granularity into bits of another. */
#ifndef Q2_BITS_GRANULARITY_H
#define Q2_BITS_GRANULARITY_H

#include <stdint.h>

/*
 * Coarser: bit i of dst is ORed with the OR of the 2^shift bits of src from i * 2^shift on, for
 * i in [0, dst_bits). src holds dst_bits << shift bits, and is zero past the end of its
 * bitmap; both are whole words. shift is 1 .. 54 and dst_bits << shift fits 64 bits.
 */
void q2_granularity_coarsen(uint64_t *dst, uint64_t dst_bits, const uint64_t *src,
			    unsigned shift);

/*
 * Finer: bit i of dst is ORed with bit (src_first + i) >> shift of src, for i in [0, dst_bits).
 * src_first is less than 2^shift when shift is large: dst then is a part of what the first bits
 * of src cover. shift is 1 .. 63.
 */
void q2_granularity_refine(uint64_t *dst, uint64_t dst_bits, const uint64_t *src,
			   uint64_t src_first, unsigned shift);

#endif
