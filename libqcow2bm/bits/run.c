/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding where runs of equal bits end. */
#include "run.h"

#include <stddef.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "target.h"

/* Runs that go on for more words than this are worth a kernel's start. */
#define SHORT_WORDS 8

/* Skips blocks from word `idx` on whose words are all `same`. */
Q2_TARGET_KERNEL size_t skip_kernel(const uint64_t *words, size_t idx, size_t end,
				    uint64_t same)
{
	for (; end - idx >= Q2_TARGET_BLOCK; idx += Q2_TARGET_BLOCK) {
		uint64_t other = 0;
		for (size_t j = idx; j < idx + Q2_TARGET_BLOCK; j++)
			other |= words[j] ^ same;
		if (other != 0)
			break;
	}
	return idx;
}

Q2_TARGET_CHOOSE(size_t, skip_blocks, skip_kernel, skip_kernel,
		 (const uint64_t *words, size_t idx, size_t end, uint64_t same),
		 (words, idx, end, same))

/* The first word in [idx, end) that is not `same`, or `end`. */
static size_t find_other(const uint64_t *words, size_t idx, size_t end, uint64_t same)
{
	size_t near = end - idx > SHORT_WORDS ? idx + SHORT_WORDS : end;

	while (idx < near && words[idx] == same)
		idx++;
	if (idx < near || idx == end)
		return idx;
	idx = skip_blocks(words, idx, end, same);
	while (idx < end && words[idx] == same)
		idx++;
	return idx;
}

uint64_t q2_run_end(const uint64_t *words, uint64_t from, uint64_t to, bool value)
{
	uint64_t same = value ? UINT64_MAX : 0;
	size_t idx = (size_t)(from / 64);
	uint64_t other;

	if (from >= to)
		return to;
	other = (q2_le64(words[idx]) ^ same) & UINT64_MAX << from % 64;
	if (other == 0) {
		size_t end = (size_t)((to - 1) / 64) + 1;
		idx = find_other(words, idx + 1, end, same);
		if (idx == end)
			return to;
		other = q2_le64(words[idx]) ^ same;
	}
	return q2_min_u64((uint64_t)idx * 64 + (unsigned)__builtin_ctzll(other), to);
}

bool q2_run_bit(const uint64_t *words, uint64_t bit)
{
	return (q2_le64(words[bit / 64]) >> bit % 64 & 1) != 0;
}
