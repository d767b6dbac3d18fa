/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sorting with a context, and UTF-8: every order of few items, many equal ones; each kind of character
 * that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/random.h"
#include "base/sort.h"
#include "qcow2bm.h"

#define MOST 300

static int by_key(const void *context, const void *a, const void *b)
{
	const uint64_t *keys = context;
	uint64_t x = keys[*(const uint32_t *)a], y = keys[*(const uint32_t *)b];
	return (x > y) - (x < y);
}

static void items_come_in_the_order_of_their_keys(void **state)
{
	struct random random;
	(void)state;
	random_seed(&random, 3);
	for (uint32_t count = 0; count < MOST; count++) {
		uint64_t keys[MOST], sum = 0;
		uint32_t items[MOST];
		for (uint32_t i = 0; i < count; i++) {
			items[i] = i;
			keys[i] = random_below(&random, count % 7 == 0 ? 3 : UINT64_MAX);
		}
		q2_sort(items, count, sizeof(*items), by_key, keys);
		for (uint32_t i = 0; i < count; i++) {
			sum += items[i];
			assert_true(i == 0 || keys[items[i - 1]] <= keys[items[i]]);
		}
		assert_int_equal(sum, count == 0 ? 0 : (uint64_t)count * (count - 1) / 2);
	}
}

static void items_of_any_size_stay_whole(void **state)
{
	struct pair {
		uint32_t key;
		char rest[12];
	} pairs[3] = {{2, "two"}, {0, "none"}, {1, "one"}};
	static const uint64_t keys[] = {0, 1, 2};
	(void)state;
	q2_sort(pairs, 3, sizeof(pairs[0]), by_key, keys);
	assert_string_equal(pairs[0].rest, "none");
	assert_string_equal(pairs[1].rest, "one");
	assert_string_equal(pairs[2].rest, "two");
}

static void characters_are_valid_or_not(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
		uint32_t character;
	} cases[] = {
		{"a", 1, 'a'},
		{"\x7f", 1, 0x7f},
		{"\xc2\x80", 2, 0x80},
		{"\xdf\xbf", 2, 0x7ff},
		{"\xe0\xa0\x80", 3, 0x800},
		{"\xef\xbf\xbf", 3, 0xffff},
		{"\xf0\x90\x80\x80", 4, 0x10000},
		{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
		{"", 0, 0},
		{"\x80", 0, 0},             /* goes on with nothing */
		{"\xc1\xbf", 0, 0},         /* too long a form */
		{"\xe0\x9f\xbf", 0, 0},     /* the same */
		{"\xf0\x8f\xbf\xbf", 0, 0}, /* the same */
		{"\xed\xa0\x80", 0, 0},     /* a surrogate */
		{"\xf4\x90\x80\x80", 0, 0}, /* past the last */
		{"\xf5\x80\x80\x80", 0, 0},
		{"\xe2\x82", 0, 0}, /* truncated */
		{"\xe2\x28\xa1", 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t character = 0;
		assert_int_equal(qcow2bm_utf8_decode(cases[i].bytes,
						     strlen(cases[i].bytes), &character),
				 cases[i].length);
		assert_int_equal(character, cases[i].character);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_in_the_order_of_their_keys),
		cmocka_unit_test(items_of_any_size_stay_whole),
		cmocka_unit_test(characters_are_valid_or_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
