/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* q2_run_end() against walking bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../support/bits.h"
#include "bits/run.c"

typedef size_t skip_fn(const uint64_t *words, size_t idx, size_t end, uint64_t same);

static uint64_t model(const uint64_t *bitmap, uint64_t from, uint64_t to, bool value)
{
	while (from < to && bits_test(bitmap, from) == value)
		from++;
	return from < to ? from : to;
}

static void test_random_ranges(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		size_t words = 1 + (size_t)bits_random(400);
		uint64_t *bitmap = bits_random_bitmap(words);
		uint64_t from = bits_random(words * 64 + 1);
		uint64_t to = bits_random(words * 64 + 1);
		bool value = bits_random(2) == 1;

		assert_int_equal(q2_run_end(bitmap, from, to, value),
				 model(bitmap, from, to, value));
		free(bitmap);
	}
}

/* Runs, one after the other, are the bitmap. */
static void test_walk(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		size_t words = 1 + (size_t)bits_random(300);
		uint64_t *bitmap = bits_random_bitmap(words);
		uint64_t bits = words * 64 - bits_random(64);
		uint64_t end;

		for (uint64_t bit = 0; bit < bits; bit = end) {
			bool value = q2_run_bit(bitmap, bit);
			assert_int_equal(value, bits_test(bitmap, bit));
			end = q2_run_end(bitmap, bit, bits, value);
			assert_true(end > bit);
			assert_int_equal(end, model(bitmap, bit, bits, value));
		}
		free(bitmap);
	}
}

/* The words beyond `to` belong to somebody else: reading one is an overrun here. */
static void test_stops_at_to(void **state)
{
	(void)state;
	for (uint64_t to = 1; to <= 200 * 64; to += 1 + bits_random(40)) {
		size_t words = (size_t)(to + 63) / 64;
		uint64_t *bitmap = bits_alloc(words);

		memset(bitmap, 0xff, words * sizeof(*bitmap));
		assert_int_equal(q2_run_end(bitmap, bits_random(to), to, true), to);
		assert_int_equal(q2_run_end(bitmap, to, to, true), to);
		free(bitmap);
	}
}

static void check(skip_fn *function)
{
	for (unsigned i = 0; i < 2000; i++) {
		size_t words = (size_t)bits_random(400),
		       idx = (size_t)bits_random(words + 1);
		uint64_t *bitmap = bits_random_bitmap(words);
		uint64_t same = bits_random(2) == 1 ? UINT64_MAX : 0;
		size_t found = function(bitmap, idx, words, same);

		assert_in_range(found, idx, words);
		assert_true(model(bitmap, idx * 64, found * 64, same != 0) == found * 64);
		assert_true(words - found < Q2_TARGET_BLOCK ||
			    model(bitmap, found * 64, words * 64, same != 0) <
				    (found + Q2_TARGET_BLOCK) * 64);
		free(bitmap);
	}
}

static void test_every_target(void **state)
{
	(void)state;
	BITS_EACH_TARGET(check, skip_blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_ranges),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_stops_at_to),
		cmocka_unit_test(test_every_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
