/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The codes that a deflate stream begins with (RFC 1951, section 3.2.7), judged as zlib judges them. */
#include "codes.h"

#include <string.h>

#define LENGTH_CODES 19u
#define LENGTH_CODE_BITS 7u /* the longest of them */
#define SYMBOL_BITS 15u     /* the longest of those of literals and distances */
#define LITERALS 286u
#define DISTANCES 30u
#define END_OF_BLOCK 256u
#define LAST_BLOCK_OF_ITS_OWN_CODES 5u /* in 3 bits */
#define REPEAT 16u                     /* from here on length codes stand for several */

struct reader {
	const uint8_t *in;
	size_t bytes, at; /* at: bits */
};

/* So many of the bits to come, at most 8, which stay; behind the end zeros. */
static unsigned peek(const struct reader *reader, unsigned count)
{
	size_t byte = reader->at / 8;
	unsigned low = byte < reader->bytes ? reader->in[byte] : 0;
	unsigned high = byte + 1 < reader->bytes ? reader->in[byte + 1] : 0;
	return (low | high << 8) >> reader->at % 8 & ((1u << count) - 1);
}

static unsigned take(struct reader *reader, unsigned count)
{
	unsigned value = peek(reader, count);
	reader->at += count;
	return value;
}

/* Whether codes of these lengths use each row of bits, and none twice. */
static bool is_complete(const uint8_t *lengths, unsigned count, unsigned longest)
{
	unsigned left = 1u << longest;
	for (unsigned i = 0; i < count; i++) {
		unsigned share = lengths[i] == 0 ? 0 : 1u << (longest - lengths[i]);
		if (share > left)
			return false;
		left -= share;
	}
	return left == 0;
}

/* A code's bits come with the highest one first. */
static unsigned reverse(unsigned code, unsigned length)
{
	unsigned reversed = 0;
	for (unsigned i = 0; i < length; i++)
		reversed |= (code >> i & 1) << (length - 1 - i);
	return reversed;
}

/* table[the next 7 bits]: the symbol << 3 | the length of its code. The codes are complete. */
static void make_table(const uint8_t lengths[LENGTH_CODES],
		       uint8_t table[1u << LENGTH_CODE_BITS])
{
	unsigned code = 0;
	for (unsigned length = 1; length <= LENGTH_CODE_BITS; length++) {
		for (unsigned symbol = 0; symbol < LENGTH_CODES; symbol++) {
			if (lengths[symbol] != length)
				continue;
			for (unsigned row = reverse(code, length);
			     row < 1u << LENGTH_CODE_BITS; row += 1u << length)
				table[row] = (uint8_t)(symbol << 3 | length);
			code++;
		}
		code <<= 1;
	}
}

static bool read_table(struct reader *reader, unsigned count,
		       uint8_t table[1u << LENGTH_CODE_BITS])
{
	static const uint8_t order[LENGTH_CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
						    11, 4,  12, 3, 13, 2, 14, 1, 15};
	uint8_t lengths[LENGTH_CODES] = {0};
	for (unsigned i = 0; i < count; i++)
		lengths[order[i]] = (uint8_t)take(reader, 3);
	if (!is_complete(lengths, LENGTH_CODES, LENGTH_CODE_BITS))
		return false;
	make_table(lengths, table);
	return true;
}

/* How often the length is repeated that the symbol stands for: the one before, or none. */
static unsigned take_repeat(struct reader *reader, unsigned symbol)
{
	static const struct {
		uint8_t bits, least;
	} repeats[] = {{2, 3}, {3, 3}, {7, 11}};
	return repeats[symbol - REPEAT].least +
	       take(reader, repeats[symbol - REPEAT].bits);
}

static bool read_lengths(struct reader *reader,
			 const uint8_t table[1u << LENGTH_CODE_BITS], uint8_t *lengths,
			 unsigned count)
{
	unsigned have = 0;
	while (have < count) {
		unsigned entry = table[peek(reader, LENGTH_CODE_BITS)];
		unsigned symbol = entry >> 3;
		reader->at += entry & 7;
		if (symbol < REPEAT) {
			lengths[have++] = (uint8_t)symbol;
			continue;
		}
		unsigned times = take_repeat(reader, symbol);
		if (times > count - have || (symbol == REPEAT && have == 0))
			return false;
		memset(lengths + have, symbol == REPEAT ? lengths[have - 1] : 0, times);
		have += times;
	}
	return true;
}

bool q2_codes_are_sound(const uint8_t *in, size_t in_bytes)
{
	struct reader reader = {in, in_bytes, 0};
	uint8_t table[1u << LENGTH_CODE_BITS], lengths[LITERALS + DISTANCES];
	if (take(&reader, 3) != LAST_BLOCK_OF_ITS_OWN_CODES)
		return false;
	unsigned literals = take(&reader, 5) + 257, distances = take(&reader, 5) + 1;
	unsigned length_codes = take(&reader, 4) + 4;
	if (literals > LITERALS || distances > DISTANCES ||
	    !read_table(&reader, length_codes, table) ||
	    !read_lengths(&reader, table, lengths, literals + distances))
		return false;
	return lengths[END_OF_BLOCK] != 0 &&
	       is_complete(lengths, literals, SYMBOL_BITS) &&
	       is_complete(lengths + literals, distances, SYMBOL_BITS);
}
