/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a string of words is all zeros or all ones; and the tail that must be zero. */
#include "uniform.h"

#include <string.h>

#include "../base/endian.h"
#include "target.h"

/* Whether every word is `same`. */
Q2_TARGET_KERNEL bool same_kernel(const uint64_t *words, size_t count, uint64_t same)
{
	uint64_t other = 0;
	size_t i = 0;

	for (; count - i >= Q2_TARGET_BLOCK && other == 0; i += Q2_TARGET_BLOCK) {
		for (size_t j = i; j < i + Q2_TARGET_BLOCK; j++)
			other |= words[j] ^ same;
	}
	for (; i < count && other == 0; i++)
		other = words[i] ^ same;
	return other == 0;
}

Q2_TARGET_CHOOSE(bool, all_same, same_kernel, same_kernel,
		 (const uint64_t *words, size_t count, uint64_t same),
		 (words, count, same))

enum q2_uniform q2_uniform_check(const uint64_t *words, size_t count)
{
	uint64_t first = words[0];

	if ((first != 0 && first != UINT64_MAX) || !all_same(words, count, first))
		return Q2_UNIFORM_MIXED;
	return first == 0 ? Q2_UNIFORM_ZEROS : Q2_UNIFORM_ONES;
}

void q2_uniform_clear_tail(uint64_t *words, size_t count, uint64_t bits)
{
	size_t whole = (size_t)(bits / 64);

	if (bits / 64 >= count)
		return;
	words[whole] &= q2_le64(~(UINT64_MAX << bits % 64));
	memset(words + whole + 1, 0, (count - whole - 1) * sizeof(*words));
}
