/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting the dirty bytes of a range from pieces of bits. */
#include "tally.h"

#include "../base/checked.h"
#include "../base/endian.h"
#include "../bits/count.h"
#include "../bits/run.h"

struct q2_tally q2_tally_begin(uint64_t start, uint64_t end, unsigned granularity_bits)
{
	return (struct q2_tally){
		.start = start,
		.end = end,
		.granularity_bits = granularity_bits,
		.first_bit = start >> granularity_bits,
		.end_bit = q2_shift_up(end, granularity_bits),
	};
}

/* Those of one word's bits that are set, of the bits [from, to) alone. */
static uint64_t count_part(uint64_t word, uint64_t from, uint64_t to)
{
	uint64_t mask = (UINT64_MAX << from) & (UINT64_MAX >> (64 - to));
	word &= q2_le64(mask);
	return q2_count_ones(&word, 1);
}

/* Bits [from, to) of the words, from < to. */
static uint64_t count_bits(const uint64_t *words, uint64_t from, uint64_t to)
{
	size_t first = (size_t)(from / 64), last = (size_t)((to - 1) / 64);
	uint64_t rest = to - (uint64_t)last * 64;
	if (first == last)
		return count_part(words[first], from % 64, rest);
	return count_part(words[first], from % 64, 64) +
	       q2_count_ones(words + first + 1, last - first - 1) +
	       count_part(words[last], 0, rest);
}

enum qcow2bm_code q2_tally_add(void *opaque, uint64_t first, uint64_t bits,
			       const uint64_t *words, bool value,
			       struct qcow2bm_error *err)
{
	struct q2_tally *tally = opaque;
	uint64_t from = q2_max_u64(first, tally->first_bit);
	uint64_t to = q2_min_u64(first + bits, tally->end_bit);
	(void)err;
	if (from >= to)
		return QCOW2BM_OK;
	if (words != NULL)
		tally->ones += count_bits(words, from - first, to - first);
	else if (value)
		tally->ones += to - from;
	if (from == tally->first_bit)
		tally->first_is_set =
			words == NULL ? value : q2_run_bit(words, from - first);
	if (to == tally->end_bit)
		tally->last_is_set =
			words == NULL ? value : q2_run_bit(words, to - 1 - first);
	return QCOW2BM_OK;
}

uint64_t q2_tally_bytes(const struct q2_tally *tally)
{
	uint64_t bytes = tally->ones << tally->granularity_bits;
	if (tally->first_is_set)
		bytes -= tally->start - (tally->first_bit << tally->granularity_bits);
	if (tally->last_is_set)
		bytes -= (tally->end_bit << tally->granularity_bits) - tally->end;
	return bytes;
}
