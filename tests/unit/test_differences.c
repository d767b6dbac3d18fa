/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bits in pages are those of a plain array. */
#include "guest/differences.h"
#include "../support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BITS 200000u

static bool is_set(const uint64_t *words, uint64_t bit)
{
	return ((const uint8_t *)words)[bit / 8] >> (bit % 8) & 1;
}

static void check_range(const struct q2_differences *it, const uint8_t *model,
			uint64_t first, uint64_t end, uint64_t *words)
{
	uint64_t ones = 0;
	for (uint64_t i = first; i < end; i++)
		ones += model[i];
	enum q2_uniform kind = q2_differences_classify(it, first, end);
	if (kind == Q2_UNIFORM_ZEROS)
		assert_int_equal(ones, 0);
	if (kind == Q2_UNIFORM_ONES)
		assert_int_equal(ones, end - first);
	first -= first % 64;
	q2_differences_read(it, first, end, words);
	for (uint64_t i = first; i < end; i++)
		assert_int_equal(is_set(words, i - first), model[i]);
}

static void bits_are_those_of_an_array(void **state)
{
	(void)state;
	struct q2_differences it;
	struct random random;
	uint8_t *model = calloc(BITS, 1);
	uint64_t *words = calloc(BITS / 64 + 2, sizeof(*words));
	random_seed(&random, 12);
	assert_int_equal(q2_differences_open(&it, (uint64_t)BITS * 512 - 7, 9, NULL),
			 QCOW2BM_OK);
	assert_int_equal(it.bits, BITS);
	for (unsigned turn = 0; turn < 60; turn++) {
		uint64_t first = random_below(&random, BITS);
		uint64_t length = random_below(&random, turn % 7 == 0 ? 90000 : 40) + 1;
		assert_int_equal(q2_differences_set(&it, first, first + length, NULL),
				 QCOW2BM_OK);
		for (uint64_t i = first; i < first + length && i < BITS; i++)
			model[i] = 1;
		first = random_below(&random, BITS);
		check_range(&it, model, first,
			    first + 1 + random_below(&random, BITS - first), words);
	}
	uint64_t ones = 0;
	for (uint64_t i = 0; i < BITS; i++)
		ones += model[i];
	assert_int_equal(it.ones, ones);
	q2_differences_close(&it);
	free(model);
	free(words);
}

static void whole_pages_are_told_without_reading(void **state)
{
	(void)state;
	struct q2_differences it;
	assert_int_equal(q2_differences_open(&it, (uint64_t)1 << 40, 16, NULL),
			 QCOW2BM_OK);
	assert_int_equal(q2_differences_classify(&it, 5, it.bits), Q2_UNIFORM_ZEROS);
	assert_int_equal(q2_differences_set(&it, 32768, 3 * 32768 + 1, NULL), QCOW2BM_OK);
	assert_int_equal(q2_differences_classify(&it, 32768, 3 * 32768), Q2_UNIFORM_ONES);
	assert_int_equal(q2_differences_classify(&it, 32767, 32769), Q2_UNIFORM_MIXED);
	/* All of a page but its last bit. */
	uint64_t words[1];
	assert_int_equal(q2_differences_set(&it, 5 * 32768, 6 * 32768 - 1, NULL),
			 QCOW2BM_OK);
	q2_differences_read(&it, 6 * 32768 - 64, 6 * 32768, words);
	assert_int_equal(((const uint8_t *)words)[7], 0x7f);
	assert_int_equal(q2_differences_set(&it, 0, UINT64_MAX, NULL), QCOW2BM_OK);
	assert_int_equal(it.ones, it.bits);
	q2_differences_close(&it);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_are_those_of_an_array),
		cmocka_unit_test(whole_pages_are_told_without_reading),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
