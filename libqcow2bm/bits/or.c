/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ORing one string of bitmap words into another. */
#include "or.h"

#include "target.h"

Q2_TARGET_KERNEL bool or_kernel(uint64_t *restrict dst, const uint64_t *restrict src,
				size_t words)
{
	uint64_t added = 0;
	size_t i = 0;

	for (; words - i >= Q2_TARGET_BLOCK; i += Q2_TARGET_BLOCK) {
		for (size_t j = i; j < i + Q2_TARGET_BLOCK; j++) {
			added |= src[j] & ~dst[j];
			dst[j] |= src[j];
		}
	}
	for (; i < words; i++) {
		added |= src[i] & ~dst[i];
		dst[i] |= src[i];
	}
	return added != 0;
}

Q2_TARGET_CHOOSE(bool, or_words, or_kernel, or_kernel,
		 (uint64_t * dst, const uint64_t *src, size_t words), (dst, src, words))

bool q2_or_into(uint64_t *dst, const uint64_t *src, size_t words)
{
	return or_words(dst, src, words);
}
