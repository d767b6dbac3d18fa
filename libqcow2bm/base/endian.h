/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Big-endian loads and stores at any address: all numbers of the format but bitmap data. */
#ifndef Q2_BASE_ENDIAN_H
#define Q2_BASE_ENDIAN_H

#include <stdint.h>

static inline uint16_t q2_be16_load(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t q2_be32_load(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t q2_be64_load(const uint8_t *p)
{
	return (uint64_t)q2_be32_load(p) << 32 | q2_be32_load(p + 4);
}

static inline void q2_be16_store(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void q2_be32_store(uint8_t *p, uint32_t v)
{
	q2_be16_store(p, (uint16_t)(v >> 16));
	q2_be16_store(p + 2, (uint16_t)v);
}

static inline void q2_be64_store(uint8_t *p, uint64_t v)
{
	q2_be32_store(p, (uint32_t)(v >> 32));
	q2_be32_store(p + 4, (uint32_t)v);
}

/* Bitmap data is a string of bytes whose lowest bit comes first: a little-endian word. The same
 * function turns a word in memory into a number and a number into a word in memory. */
static inline uint64_t q2_le64(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(word);
#else
	return word;
#endif
}

#endif
