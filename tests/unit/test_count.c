/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* q2_count_ones() against counting bit by bit, on every target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../support/bits.h"
#include "bits/count.c"

typedef uint64_t count_fn(const uint64_t *words, size_t count);

static void check(count_fn *count)
{
	for (unsigned i = 0; i < 400; i++) {
		size_t words = i < 200 ? i : (size_t)bits_random(2000);
		uint64_t *bitmap = bits_random_bitmap(words);
		uint64_t model = 0;

		for (uint64_t bit = 0; bit < words * 64; bit++)
			model += bits_test(bitmap, bit);
		assert_int_equal(count(bitmap, words), model);
		free(bitmap);
	}
}

static void test_every_target(void **state)
{
	(void)state;
	BITS_EACH_TARGET(check, count_words);
	check(q2_count_ones);
}

static void check_full(count_fn *count)
{
	const size_t words = 100003;
	uint64_t *bitmap = bits_alloc(words);

	memset(bitmap, 0xff, words * sizeof(*bitmap));
	assert_int_equal(count(bitmap, words), words * 64);
	free(bitmap);
}

/* The fullest bitmap overflows no partial sum. */
static void test_all_ones(void **state)
{
	(void)state;
	BITS_EACH_TARGET(check_full, count_words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_target),
		cmocka_unit_test(test_all_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
