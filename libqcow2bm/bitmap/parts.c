/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where on the disk dirty bits lie: so many equal parts of it, and how much of each is dirty. */
#include "parts.h"

#include <stdbool.h>

#include "../base/checked.h"
#include "../bits/count.h"

/* The guest byte at which a part begins; of one behind the last: the end of the disk. */
static uint64_t find_begin(const struct q2_parts *parts, size_t i)
{
	uint64_t whole = parts->virtual_bytes / parts->count;
	uint64_t rest = parts->virtual_bytes % parts->count;
	return whole * i + rest * i / parts->count;
}

/* The part that a byte of the disk lies in. */
static size_t find_part(const struct q2_parts *parts, uint64_t at)
{
	size_t low = 0, high = parts->count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (find_begin(parts, middle) <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static uint64_t find_stop(const struct q2_parts *parts, uint64_t end)
{
	return q2_min_u64(end << parts->granularity_bits, parts->virtual_bytes);
}

void q2_parts_add_ones(struct q2_parts *parts, uint64_t first, uint64_t end)
{
	uint64_t at = first << parts->granularity_bits, stop = find_stop(parts, end);
	for (size_t i = find_part(parts, at); at < stop; i++) {
		uint64_t next = q2_min_u64(stop, find_begin(parts, i + 1));
		parts->dirty_bytes[i] += next - at;
		at = next;
	}
}

static bool has_bit(const uint64_t *words, uint64_t at)
{
	return ((const uint8_t *)words)[at / 8] >> (at % 8) & 1;
}

/* How many of bits [from, end) are set: words in the middle, bits at the edges. */
static uint64_t count_bits(const uint64_t *words, uint64_t from, uint64_t end)
{
	uint64_t ones = 0;
	for (; from < end && from % 64 != 0; from++)
		ones += has_bit(words, from);
	if (from < end) {
		ones += q2_count_ones(words + from / 64, (size_t)((end - from) / 64));
		from += (end - from) / 64 * 64;
	}
	for (; from < end; from++)
		ones += has_bit(words, from);
	return ones;
}

/* Adds guest bytes [at, end), which lie in one part, from a bit's begin, its middle or its end to such
 * a place: what whole bits there are, and a piece of a bit on each side. */
static uint64_t count_bytes(const struct q2_parts *parts, const uint64_t *words,
			    uint64_t base, uint64_t at, uint64_t end)
{
	unsigned g = parts->granularity_bits;
	uint64_t bytes = 0, bit = at >> g;
	if (bit << g != at) {
		uint64_t next = q2_min_u64(end, (bit + 1) << g);
		bytes += has_bit(words, bit - base) ? next - at : 0;
		at = next;
		bit = at >> g;
	}
	uint64_t end_bit = end >> g;
	if (bit < end_bit) {
		bytes += count_bits(words, bit - base, end_bit - base) << g;
		at = end_bit << g;
	}
	if (at < end && has_bit(words, end_bit - base))
		bytes += end - at;
	return bytes;
}

void q2_parts_add_words(struct q2_parts *parts, const uint64_t *words, uint64_t base,
			uint64_t first, uint64_t end)
{
	uint64_t at = first << parts->granularity_bits, stop = find_stop(parts, end);
	for (size_t i = find_part(parts, at); at < stop; i++) {
		uint64_t next = q2_min_u64(stop, find_begin(parts, i + 1));
		parts->dirty_bytes[i] += count_bytes(parts, words, base, at, next);
		at = next;
	}
}
