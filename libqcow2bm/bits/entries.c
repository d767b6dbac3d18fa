/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking through table entries for those that matter. */
#include "entries.h"

#include "../base/endian.h"
#include "target.h"

Q2_TARGET_KERNEL uint64_t matters(const uint8_t *word, uint64_t mask, uint64_t first,
				  uint64_t span, uint64_t flags)
{
	uint64_t value = q2_be64_load(word);
	return (value & flags) | (uint64_t)((value & mask) - first < span);
}

Q2_TARGET_KERNEL bool within_kernel(const uint8_t *words, size_t count, uint64_t mask,
				    uint64_t first, uint64_t span, uint64_t flags)
{
	uint64_t found = 0;
	size_t i = 0;

	for (; count - i >= Q2_TARGET_BLOCK && found == 0; i += Q2_TARGET_BLOCK) {
		for (size_t j = i; j < i + Q2_TARGET_BLOCK; j++)
			found |= matters(words + j * 8, mask, first, span, flags);
	}
	for (; i < count && found == 0; i++)
		found = matters(words + i * 8, mask, first, span, flags);
	return found != 0;
}

Q2_TARGET_CHOOSE(bool, within_any, within_kernel, within_kernel,
		 (const uint8_t *words, size_t count, uint64_t mask, uint64_t first,
		  uint64_t span, uint64_t flags),
		 (words, count, mask, first, span, flags))

bool q2_entries_any(const uint8_t *words, size_t count, uint64_t mask, uint64_t first,
		    uint64_t span, uint64_t flags)
{
	return within_any(words, count, mask, first, span, flags);
}
