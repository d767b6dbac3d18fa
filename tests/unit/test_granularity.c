/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Granularity changes against the definition, bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../support/bits.h"
#include "bits/granularity.c"

typedef void coarsen_fn(uint64_t *dst, uint64_t dst_bits, const uint64_t *src,
			unsigned shift);
typedef void refine_fn(uint64_t *dst, uint64_t dst_bits, const uint64_t *src,
		       uint64_t src_first, unsigned shift);

static size_t words_of(uint64_t bits)
{
	return (size_t)((bits + 63) / 64);
}

static void check_coarsen_once(coarsen_fn *function, uint64_t dst_bits, unsigned shift)
{
	size_t dst_words = words_of(dst_bits) + 1;
	uint64_t *src = bits_random_bitmap(words_of(dst_bits << shift));
	uint64_t *dst = bits_random_bitmap(dst_words), *model = bits_copy(dst, dst_words);

	for (uint64_t bit = 0; bit < dst_bits << shift; bit++) {
		if (bits_test(src, bit))
			bits_set(model, bit >> shift);
	}
	function(dst, dst_bits, src, shift);
	assert_memory_equal(dst, model, dst_words * sizeof(*dst));
	free(model);
	free(dst);
	free(src);
}

/* Sizes around one block of the kernels, 4096 fine bits or 64 groups of words. */
static void check_coarsen(coarsen_fn *function)
{
	for (unsigned shift = 1; shift <= 14; shift++) {
		uint64_t limit = (300000u >> shift) + 4;

		check_coarsen_once(function, 0, shift);
		for (unsigned i = 0; i < 25; i++)
			check_coarsen_once(function, bits_random(limit), shift);
		for (uint64_t bits = 1; bits < limit; bits *= 2)
			check_coarsen_once(function, bits, shift);
	}
}

static void test_coarsen(void **state)
{
	(void)state;
	BITS_EACH_TARGET(check_coarsen, coarsen);
	check_coarsen(q2_granularity_coarsen);
}

static void check_refine_once(refine_fn *function, uint64_t dst_bits, uint64_t src_first,
			      uint64_t scale, unsigned shift)
{
	uint64_t first = src_first * scale;
	size_t src_words = words_of(q2_shift_up(first + dst_bits, shift));
	size_t dst_words = words_of(dst_bits) + 1;
	uint64_t *src = bits_random_bitmap(src_words);
	uint64_t *dst = bits_random_bitmap(dst_words), *model = bits_copy(dst, dst_words);

	for (uint64_t bit = 0; bit < dst_bits; bit++) {
		if (bits_test(src, (first + bit) >> shift))
			bits_set(model, bit);
	}
	function(dst, dst_bits, src, src_first, shift);
	assert_memory_equal(dst, model, dst_words * sizeof(*dst));
	free(model);
	free(dst);
	free(src);
}

/* The kernel counts where it starts in bits of src. */
static void check_refine_blocks(refine_fn *function)
{
	for (unsigned shift = 1; shift <= 6; shift++) {
		for (unsigned i = 0; i < 200; i++)
			check_refine_once(function, bits_random(20000), bits_random(500),
					  (uint64_t)1 << shift, shift);
	}
}

static void test_refine_every_target(void **state)
{
	(void)state;
	BITS_EACH_TARGET(check_refine_blocks, refine_blocks);
}

static void test_refine(void **state)
{
	(void)state;
	for (unsigned shift = 1; shift <= 16; shift++) {
		for (unsigned i = 0; i < 60; i++) {
			uint64_t dst_bits = bits_random(i % 2 == 0 ? 200 : 20000);

			check_refine_once(q2_granularity_refine, dst_bits, 0, 1, shift);
			check_refine_once(q2_granularity_refine, dst_bits,
					  bits_random(100) << shift, 1, shift);
			check_refine_once(q2_granularity_refine, dst_bits,
					  bits_random(100000), 1, shift);
		}
	}
}

/* One bit of src that covers more than dst, up to half of all that can be numbered. */
static void test_refine_a_part(void **state)
{
	(void)state;
	for (unsigned shift = 17; shift <= 63; shift++) {
		for (unsigned i = 0; i < 8; i++) {
			uint64_t granule = (uint64_t)1 << shift;
			uint64_t dst_bits = 1 + bits_random(3000);

			check_refine_once(q2_granularity_refine, dst_bits,
					  granule - 1 - bits_random(4000), 1, shift);
			check_refine_once(q2_granularity_refine, dst_bits,
					  bits_random(granule), 1, shift);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coarsen),
		cmocka_unit_test(test_refine_every_target),
		cmocka_unit_test(test_refine),
		cmocka_unit_test(test_refine_a_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
