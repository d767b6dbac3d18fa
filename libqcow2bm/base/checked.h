/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arithmetic on sizes and offsets that came from an image: it says when it overflows. */
#ifndef Q2_BASE_CHECKED_H
#define Q2_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* These return false, and leave *sum or *product undefined, on overflow. */
static inline bool q2_checked_add(uint64_t a, uint64_t b, uint64_t *sum)
{
	return !__builtin_add_overflow(a, b, sum);
}

static inline bool q2_checked_mul(uint64_t a, uint64_t b, uint64_t *product)
{
	return !__builtin_mul_overflow(a, b, product);
}

/* Whether the range [off, off+bytes) lies inside [0, limit). */
static inline bool q2_checked_within(uint64_t off, uint64_t bytes, uint64_t limit)
{
	return off <= limit && bytes <= limit - off;
}

/* value / 2^bits, rounded up; never overflows. bits may be 0 .. 63. */
static inline uint64_t q2_shift_up(uint64_t value, unsigned bits)
{
	uint64_t below = ((uint64_t)1 << bits) - 1;
	return (value >> bits) + ((value & below) != 0);
}

/* Rounded up to a multiple of `unit`, a power of two. The caller has made sure it fits. */
static inline uint64_t q2_round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) & ~(unit - 1);
}

static inline bool q2_is_aligned(uint64_t value, uint64_t unit)
{
	return (value & (unit - 1)) == 0;
}

static inline uint64_t q2_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t q2_max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
