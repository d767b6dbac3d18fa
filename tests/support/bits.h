/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of bits/ share: random bitmaps, single bits, each target of a kernel. */
#ifndef TESTS_SUPPORT_BITS_H
#define TESTS_SUPPORT_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * Calls check(function) for each function that Q2_TARGET_CHOOSE made for `name` and this
 * processor can run. The test includes the .c file of the kernel to see them.
 */
#if defined(__x86_64__)
#define BITS_EACH_TARGET(check, name)         \
	do {                                  \
		if (q2_target_has_avx512())   \
			check(name##_avx512); \
		if (q2_target_has_avx2())     \
			check(name##_avx2);   \
		check(name##_portable);       \
	} while (0)
#else
#define BITS_EACH_TARGET(check, name) check(name)
#endif

static uint64_t bits_seed = 0x9e3779b97f4a7c15u;

static inline uint64_t bits_random(uint64_t below)
{
	bits_seed ^= bits_seed << 13;
	bits_seed ^= bits_seed >> 7;
	bits_seed ^= bits_seed << 17;
	return (bits_seed >> 11) % below;
}

/* Allocated to the byte, so that a sanitizer sees a read past the end. */
static inline uint64_t *bits_alloc(size_t words)
{
	uint64_t *bitmap = malloc(words * sizeof(*bitmap) + (words == 0));

	if (bitmap == NULL)
		abort();
	return bitmap;
}

static inline uint64_t *bits_copy(const uint64_t *bitmap, size_t words)
{
	uint64_t *copy = bits_alloc(words);

	memcpy(copy, bitmap, words * sizeof(*copy));
	return copy;
}

/* Bit 0 is the lowest bit of the first byte. */
static inline bool bits_test(const uint64_t *bitmap, uint64_t bit)
{
	return (((const uint8_t *)bitmap)[bit / 8] >> bit % 8 & 1) != 0;
}

static inline void bits_set(uint64_t *bitmap, uint64_t bit)
{
	uint8_t *byte = (uint8_t *)bitmap + bit / 8;

	*byte = (uint8_t)(*byte | 1u << bit % 8);
}

/* All zeros, all ones, a few bits, half full, or long runs. */
static inline uint64_t *bits_random_bitmap(size_t words)
{
	uint64_t *bitmap = bits_alloc(words);
	uint64_t kind = bits_random(5);

	memset(bitmap, kind == 1 ? 0xff : 0, words * sizeof(*bitmap));
	if (kind == 2 && words > 0) {
		for (uint64_t n = bits_random(4); n > 0; n--)
			bits_set(bitmap, bits_random(words * 64));
	} else if (kind == 3) {
		for (uint64_t bit = 0; bit < words * 64; bit++) {
			if (bits_random(2) == 1)
				bits_set(bitmap, bit);
		}
	} else if (kind == 4) {
		for (uint64_t bit = 0; bit < words * 64; bit += 1 + bits_random(3000)) {
			uint64_t end = bit + bits_random(3000);
			for (; bit < end && bit < words * 64; bit++)
				bits_set(bitmap, bit);
		}
	}
	return bitmap;
}

#endif
