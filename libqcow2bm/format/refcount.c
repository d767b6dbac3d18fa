/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading, writing and searching refcounts of all widths in a block. */
#include "refcount.h"

#include <assert.h>
#include <string.h>

#include "../base/endian.h"

#define WORD_BYTES 8
#define BATCH_WORDS 8 /* one cache line: one branch for so many words */

static uint64_t decode_bits(const uint8_t *block, unsigned order, uint64_t idx)
{
	uint64_t bit = idx << order;
	return (uint64_t)block[bit / 8] >> (bit % 8) & q2_refcount_max(order);
}

uint64_t q2_refcount_decode(const uint8_t *block, unsigned order, uint64_t idx)
{
	switch (order) {
	case 3:
		return block[idx];
	case 4:
		return q2_be16_load(block + idx * 2);
	case 5:
		return q2_be32_load(block + idx * 4);
	case 6:
		return q2_be64_load(block + idx * 8);
	default:
		return decode_bits(block, order, idx);
	}
}

/* Whole bytes of refcounts of 1, 2, 4 or 8 bits. */
static void decode_bytes(uint16_t *values, const uint8_t *bytes, unsigned order,
			 size_t count)
{
	unsigned width = 1u << order, in_byte = 8u / width, mask = (1u << width) - 1;
	for (size_t i = 0; i < count / in_byte; i++)
		for (unsigned j = 0; j < in_byte; j++)
			values[i * in_byte + j] =
				(uint16_t)(bytes[i] >> (j * width) & mask);
}

void q2_refcount_decode_many(uint16_t *values, const uint8_t *block, unsigned order,
			     uint64_t idx, size_t count)
{
	if (order == 4) {
		for (size_t i = 0; i < count; i++)
			values[i] = q2_be16_load(block + (idx + i) * 2);
		return;
	}
	if (order < 4 && idx % 8 == 0 && count % 8 == 0) {
		decode_bytes(values, block + (idx << order) / 8, order, count);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		uint64_t value = q2_refcount_decode(block, order, idx + i);
		values[i] = value < UINT16_MAX ? (uint16_t)value : UINT16_MAX;
	}
}

static void encode_bits(uint8_t *block, unsigned order, uint64_t idx, uint64_t value)
{
	uint64_t bit = idx << order;
	unsigned shift = bit % 8;
	unsigned others = block[bit / 8] & ~((unsigned)q2_refcount_max(order) << shift);
	block[bit / 8] = (uint8_t)(others | (unsigned)value << shift);
}

void q2_refcount_encode(uint8_t *block, unsigned order, uint64_t idx, uint64_t value)
{
	assert(value <= q2_refcount_max(order));
	switch (order) {
	case 3:
		block[idx] = (uint8_t)value;
		break;
	case 4:
		q2_be16_store(block + idx * 2, (uint16_t)value);
		break;
	case 5:
		q2_be32_store(block + idx * 4, (uint32_t)value);
		break;
	case 6:
		q2_be64_store(block + idx * 8, value);
		break;
	default:
		encode_bits(block, order, idx, value);
	}
}

static uint64_t load_word(const uint8_t *p)
{
	uint64_t word;
	memcpy(&word, p, WORD_BYTES);
	return word;
}

/*
 * Nonzero exactly when one of the refcounts in the word is zero; `lows` and `highs` have
 * the lowest and the highest bit of each. Only a zero borrows, and only a zero gains its
 * highest bit. Byte order does not matter: swapped or not, a refcount is zero or is not.
 */
static uint64_t has_zero(uint64_t word, uint64_t lows, uint64_t highs)
{
	return (word - lows) & ~word & highs;
}

/* How many words from the start of `p`, at most `words`, hold no zero refcount. */
static uint64_t skip_nonzero(const uint8_t *p, uint64_t words, unsigned order)
{
	uint64_t lows = UINT64_MAX / q2_refcount_max(order);
	uint64_t highs = lows << ((1u << order) - 1);
	uint64_t i = 0;
	for (; words - i >= BATCH_WORDS; i += BATCH_WORDS) {
		uint64_t found = 0;
		for (unsigned k = 0; k < BATCH_WORDS; k++)
			found |= has_zero(load_word(p + (i + k) * WORD_BYTES), lows,
					  highs);
		if (found != 0)
			break;
	}
	while (i < words && has_zero(load_word(p + i * WORD_BYTES), lows, highs) == 0)
		i++;
	return i;
}

/* How many words from the start of `p`, at most `words`, are all zeros. */
static uint64_t skip_zero(const uint8_t *p, uint64_t words)
{
	uint64_t i = 0;
	for (; words - i >= BATCH_WORDS; i += BATCH_WORDS) {
		uint64_t found = 0;
		for (unsigned k = 0; k < BATCH_WORDS; k++)
			found |= load_word(p + (i + k) * WORD_BYTES);
		if (found != 0)
			break;
	}
	while (i < words && load_word(p + i * WORD_BYTES) == 0)
		i++;
	return i;
}

/* Looks one by one: at what is not whole words, and inside the word that has it. */
static uint64_t find_slowly(const uint8_t *block, unsigned order, uint64_t from,
			    uint64_t to, bool zero)
{
	while (from < to && (q2_refcount_decode(block, order, from) == 0) != zero)
		from++;
	return from;
}

static uint64_t find(const uint8_t *block, unsigned order, uint64_t from, uint64_t to,
		     bool zero)
{
	uint64_t per_word = (uint64_t)64 >> order;
	uint64_t aligned = (from + per_word - 1) & ~(per_word - 1);
	if (aligned >= to)
		return find_slowly(block, order, from, to, zero);
	uint64_t idx = find_slowly(block, order, from, aligned, zero);
	if (idx < aligned)
		return idx;
	const uint8_t *p = block + aligned / per_word * WORD_BYTES;
	uint64_t words = (to - aligned) / per_word;
	idx = aligned +
	      per_word * (zero ? skip_nonzero(p, words, order) : skip_zero(p, words));
	return find_slowly(block, order, idx, to, zero);
}

uint64_t q2_refcount_find_zero(const uint8_t *block, unsigned order, uint64_t from,
			       uint64_t to)
{
	return find(block, order, from, to, true);
}

uint64_t q2_refcount_find_nonzero(const uint8_t *block, unsigned order, uint64_t from,
				  uint64_t to)
{
	return find(block, order, from, to, false);
}
