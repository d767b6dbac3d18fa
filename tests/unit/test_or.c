/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* q2_or_into() against ORing bit by bit, on every target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../support/bits.h"
#include "bits/or.c"

typedef bool or_fn(uint64_t *dst, const uint64_t *src, size_t words);

static void check_once(or_fn * or, size_t words)
{
	uint64_t *dst = bits_random_bitmap(words), *src = bits_random_bitmap(words);
	uint64_t *model = bits_copy(dst, words);
	bool changed = false;

	for (uint64_t bit = 0; bit < words * 64; bit++) {
		changed |= bits_test(src, bit) && !bits_test(dst, bit);
		if (bits_test(src, bit))
			bits_set(model, bit);
	}
	assert_int_equal(or (dst, src, words), changed);
	assert_memory_equal(dst, model, words * sizeof(*dst));
	assert_false(or (dst, src, words));
	free(model);
	free(src);
	free(dst);
}

static void check(or_fn * or)
{
	for (size_t words = 0; words <= 300; words++)
		check_once(or, words);
}

static void test_every_target(void **state)
{
	(void)state;
	BITS_EACH_TARGET(check, or_words);
	check(q2_or_into);
}

/* A single new bit anywhere is a change. */
static void test_one_bit_is_a_change(void **state)
{
	(void)state;
	for (uint64_t bit = 0; bit < 200 * 64; bit += 1 + bits_random(9)) {
		uint64_t dst[200] = {0}, src[200] = {0};
		bits_set(src, bit);
		assert_true(q2_or_into(dst, src, 200));
		assert_true(bits_test(dst, bit));
		assert_false(q2_or_into(dst, src, 200));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_target),
		cmocka_unit_test(test_one_bit_is_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
