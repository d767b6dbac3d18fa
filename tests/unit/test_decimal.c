/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers as decimal digits are those of printf(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "../../tools/term/decimal.h"

static void check(uint64_t number)
{
	char wanted[32], got[32];
	snprintf(wanted, sizeof(wanted), "%" PRIu64, number);
	*tool_decimal_put(got, number) = '\0';
	assert_string_equal(got, wanted);
	snprintf(wanted, sizeof(wanted), "%12" PRIu64, number);
	*tool_decimal_put_padded(got, number, 12) = '\0';
	assert_string_equal(got, wanted);
}

/* Every number of digits, and the borders of the pieces that the digits are made in. */
static void test_borders(void **state)
{
	(void)state;
	for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10)
		for (uint64_t factor = 1; factor <= 10; factor++) {
			check(power * factor - 1);
			check(power * factor);
			check(power * factor + 1);
		}
	for (unsigned bits = 0; bits < 64; bits++) {
		check(((uint64_t)1 << bits) - 1);
		check((uint64_t)1 << bits);
	}
	check(UINT64_MAX);
}

static void test_many(void **state)
{
	(void)state;
	uint64_t number = 1;
	for (int i = 0; i < 100000; i++) {
		number = number * 6364136223846793005u + 1442695040888963407u;
		check(number >> (i % 64));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_borders),
		cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
