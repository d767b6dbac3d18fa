/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting set bits. */
#include "count.h"

#include "target.h"

/* For processors that count in vectors. */
Q2_TARGET_KERNEL uint64_t count_popcount(const uint64_t *words, size_t count)
{
	uint64_t ones = 0;
	size_t i = 0;

	for (; count - i >= Q2_TARGET_BLOCK; i += Q2_TARGET_BLOCK) {
		for (size_t j = i; j < i + Q2_TARGET_BLOCK; j++)
			ones += (unsigned)__builtin_popcountll(words[j]);
	}
	for (; i < count; i++)
		ones += (unsigned)__builtin_popcountll(words[i]);
	return ones;
}

/* The ones of each 16 bits of a word, side by side. */
Q2_TARGET_KERNEL uint64_t count_lanes(uint64_t word)
{
	word -= word >> 1 & 0x5555555555555555u;
	word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
	return (word & 0x00ff00ff00ff00ffu) + (word >> 8 & 0x00ff00ff00ff00ffu);
}

Q2_TARGET_KERNEL uint64_t add_lanes(uint64_t lanes)
{
	lanes = (lanes & 0x0000ffff0000ffffu) + (lanes >> 16 & 0x0000ffff0000ffffu);
	return (lanes & 0xffffffffu) + (lanes >> 32);
}

/* For the others. A block's ones, 16 in each of 64 words, do not overflow a lane. */
Q2_TARGET_KERNEL uint64_t count_lanewise(const uint64_t *words, size_t count)
{
	uint64_t ones = 0;
	size_t i = 0;

	for (; count - i >= Q2_TARGET_BLOCK; i += Q2_TARGET_BLOCK) {
		uint64_t lanes = 0;
		for (size_t j = i; j < i + Q2_TARGET_BLOCK; j++)
			lanes += count_lanes(words[j]);
		ones += add_lanes(lanes);
	}
	for (; i < count; i++)
		ones += add_lanes(count_lanes(words[i]));
	return ones;
}

Q2_TARGET_CHOOSE(uint64_t, count_words, count_popcount, count_lanewise,
		 (const uint64_t *words, size_t count), (words, count))

uint64_t q2_count_ones(const uint64_t *words, size_t count)
{
	return count_words(words, count);
}
