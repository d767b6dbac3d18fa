/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* q2_uniform_check() and _clear_tail() against looking at each bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../support/bits.h"
#include "bits/uniform.c"

typedef bool same_fn(const uint64_t *words, size_t count, uint64_t same);

static enum q2_uniform model(const uint64_t *bitmap, size_t words)
{
	for (uint64_t bit = 1; bit < words * 64; bit++) {
		if (bits_test(bitmap, bit) != bits_test(bitmap, 0))
			return Q2_UNIFORM_MIXED;
	}
	return bits_test(bitmap, 0) ? Q2_UNIFORM_ONES : Q2_UNIFORM_ZEROS;
}

static void test_random(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		size_t words = 1 + (size_t)bits_random(300);
		uint64_t *bitmap = bits_random_bitmap(words);

		assert_int_equal(q2_uniform_check(bitmap, words), model(bitmap, words));
		free(bitmap);
	}
}

/* Flips each bit in turn: every one of them decides. */
static void check(same_fn *same)
{
	for (unsigned i = 0; i < 60; i++) {
		size_t words = 1 + (size_t)bits_random(200);
		uint64_t *bitmap = bits_alloc(words);

		memset(bitmap, i % 2 == 0 ? 0 : 0xff, words * sizeof(*bitmap));
		assert_true(same(bitmap, words, bitmap[0]));
		for (uint64_t bit = 64; bit < words * 64; bit += 1 + bits_random(5)) {
			((uint8_t *)bitmap)[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_false(same(bitmap, words, bitmap[0]));
			assert_int_equal(q2_uniform_check(bitmap, words),
					 Q2_UNIFORM_MIXED);
			((uint8_t *)bitmap)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		free(bitmap);
	}
}

static void test_every_target(void **state)
{
	(void)state;
	BITS_EACH_TARGET(check, all_same);
}

static void test_clear_tail(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		size_t words = (size_t)bits_random(12);
		uint64_t bits = bits_random(words * 64 + 70);
		uint64_t *bitmap = bits_random_bitmap(words);
		uint64_t *before = bits_copy(bitmap, words);

		q2_uniform_clear_tail(bitmap, words, bits);
		for (uint64_t bit = 0; bit < words * 64; bit++)
			assert_int_equal(bits_test(bitmap, bit),
					 bit < bits && bits_test(before, bit));
		free(before);
		free(bitmap);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_every_target),
		cmocka_unit_test(test_clear_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
