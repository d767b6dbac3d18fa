/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* q2_entries_any() against a look at each word, on every target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../support/bits.h"
#include "bits/entries.c"

#define MASK 0x00fffffffffffe00u
#define FLAGS ((uint64_t)1 << 62)
#define FIRST ((uint64_t)1 << 40)
#define SPAN ((uint64_t)1 << 30)
#define WORDS 200u

typedef bool within_fn(const uint8_t *words, size_t count, uint64_t mask, uint64_t first,
		       uint64_t span, uint64_t flags);

/* One word of this value among others that do not matter, at each place; the words begin at an
 * odd address. */
static void check_value(within_fn *within, uint64_t value, bool expected)
{
	uint8_t bytes[WORDS * 8 + 1];
	for (size_t count = 1; count <= WORDS; count += 1 + bits_random(9)) {
		for (size_t i = 0; i < count; i++)
			q2_be64_store(bytes + 1 + i * 8,
				      FIRST - 512 - bits_random(9) * 512);
		assert_false(within(bytes + 1, count, MASK, FIRST, SPAN, FLAGS));
		size_t place = (size_t)bits_random(count);
		q2_be64_store(bytes + 1 + place * 8, value);
		assert_int_equal(within(bytes + 1, count, MASK, FIRST, SPAN, FLAGS),
				 expected);
		assert_false(within(bytes + 1, place, MASK, FIRST, SPAN, FLAGS));
	}
}

static void check(within_fn *within)
{
	check_value(within, FIRST, true);
	check_value(within, FIRST + SPAN - 512, true);
	check_value(within, FIRST | 511 | (uint64_t)1 << 63, true);
	check_value(within, FLAGS, true);
	check_value(within, FIRST - 512, false);
	check_value(within, (FIRST - 512) | 511, false);
	check_value(within, FIRST + SPAN, false);
	check_value(within, 0, false);
	check_value(within, UINT64_MAX & ~FLAGS, false);
	assert_false(within(NULL, 0, MASK, FIRST, SPAN, FLAGS));
}

static void test_every_target(void **state)
{
	(void)state;
	BITS_EACH_TARGET(check, within_any);
	check(q2_entries_any);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
