/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Refcounts of all widths: storage, neighbours, and the searches against a plain one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../libqcow2bm/format/refcount.h"

#define BLOCK_BYTES 512
#define MAX_ORDER 6

static uint64_t seed = 1;

static uint64_t random_word(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t block_entries(unsigned order)
{
	return (uint64_t)1 << q2_refcount_block_shift(9, order);
}

static void test_shape(void **state)
{
	(void)state;
	static const uint64_t max[] = {1, 3, 15, 255, 65535, UINT32_MAX, UINT64_MAX};
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		assert_true(q2_refcount_max(order) == max[order]);
		assert_true(block_entries(order) << order == BLOCK_BYTES * 8);
	}
	assert_int_equal(q2_refcount_block_shift(16, 4), 15);
}

/* The bytes that the specification asks for. */
static void test_stored_bytes(void **state)
{
	(void)state;
	static const struct {
		unsigned order;
		uint64_t idx, value;
		uint8_t bytes[16];
	} cases[] = {
		{0, 0, 1, {0x01}},
		{0, 9, 1, {0, 0x02}},
		{1, 3, 2, {0x80}},
		{1, 4, 3, {0, 0x03}},
		{2, 0, 5, {0x05}},
		{2, 3, 12, {0, 0xc0}},
		{3, 1, 0xfe, {0, 0xfe}},
		{4, 1, 0x1234, {0, 0, 0x12, 0x34}},
		{5, 1, 0x12345678, {0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78}},
		{6,
		 1,
		 0x123456789abcdef0,
		 {0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde,
		  0xf0}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t block[16] = {0};
		q2_refcount_encode(block, cases[i].order, cases[i].idx, cases[i].value);
		assert_memory_equal(block, cases[i].bytes, sizeof(block));
		assert_true(q2_refcount_decode(block, cases[i].order, cases[i].idx) ==
			    cases[i].value);
	}
}

static void test_round_trip_leaves_neighbours(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		uint8_t block[BLOCK_BYTES];
		uint64_t model[BLOCK_BYTES * 8];
		uint64_t entries = block_entries(order);
		memset(block, 0xff, sizeof(block));
		for (uint64_t i = 0; i < entries; i++)
			model[i] = q2_refcount_max(order);
		for (unsigned step = 0; step < 20000; step++) {
			uint64_t idx = random_word() % entries;
			model[idx] = random_word() & q2_refcount_max(order);
			q2_refcount_encode(block, order, idx, model[idx]);
		}
		for (uint64_t i = 0; i < entries; i++)
			assert_true(q2_refcount_decode(block, order, i) == model[i]);
	}
}

static uint64_t find_plainly(const uint8_t *block, unsigned order, uint64_t from,
			     uint64_t to, bool zero)
{
	while (from < to && (q2_refcount_decode(block, order, from) == 0) != zero)
		from++;
	return from;
}

static void check_range(const uint8_t *block, unsigned order, uint64_t from, uint64_t to)
{
	assert_true(q2_refcount_find_zero(block, order, from, to) ==
		    find_plainly(block, order, from, to, true));
	assert_true(q2_refcount_find_nonzero(block, order, from, to) ==
		    find_plainly(block, order, from, to, false));
}

/* One refcount that differs, at every place, of every value that has one bit. */
static void test_find_the_odd_one(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		uint64_t entries = block_entries(order);
		for (uint64_t idx = 0; idx < entries; idx++) {
			uint8_t block[BLOCK_BYTES] = {0};
			q2_refcount_encode(block, order, idx,
					   (uint64_t)1 << (idx & ((1u << order) - 1)));
			assert_true(q2_refcount_find_nonzero(block, order, 0, entries) ==
				    idx);
			assert_true(q2_refcount_find_nonzero(block, order, 0, idx) ==
				    idx);
			assert_true(q2_refcount_find_nonzero(block, order, idx + 1,
							     entries) == entries);
			for (uint64_t i = 0; i < entries; i++)
				q2_refcount_encode(block, order, i,
						   (uint64_t)1
							   << (i & ((1u << order) - 1)));
			q2_refcount_encode(block, order, idx, 0);
			assert_true(q2_refcount_find_zero(block, order, 0, entries) ==
				    idx);
			assert_true(q2_refcount_find_zero(block, order, 0, idx) == idx);
			assert_true(q2_refcount_find_zero(block, order, idx + 1,
							  entries) == entries);
		}
	}
}

static void fill_with_runs(uint8_t *block, unsigned order)
{
	uint64_t entries = block_entries(order);
	for (uint64_t i = 0; i < entries;) {
		uint64_t run = random_word() % (random_word() % 3 == 0 ? entries : 5) + 1;
		bool zero = random_word() % 2 == 0;
		for (; run > 0 && i < entries; run--, i++) {
			uint64_t value = random_word() & q2_refcount_max(order);
			q2_refcount_encode(block, order, i, zero ? 0 : value);
		}
	}
}

/* A heap block of exactly its size, so that a read past its end is seen; unaligned by
 * one. */
static void test_find_against_plain(void **state)
{
	(void)state;
	uint8_t *memory = malloc(BLOCK_BYTES + 1);
	assert_non_null(memory);
	uint8_t *block = memory + 1;
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		uint64_t entries = block_entries(order);
		for (unsigned round = 0; round < 100; round++) {
			fill_with_runs(block, order);
			for (unsigned step = 0; step < 50; step++) {
				uint64_t from = random_word() % (entries + 1);
				uint64_t to = from + random_word() % (entries - from + 1);
				check_range(block, order, from, to);
			}
			check_range(block, order, 0, entries);
			check_range(block, order, entries, entries);
		}
	}
	free(memory);
}

/* Values that a search by bytes instead of by refcounts takes for zero, or that borrow.
 */
static void test_find_zero_is_not_fooled(void **state)
{
	(void)state;
	static const uint64_t values[] = {1,          0x80,      0x100,      0x8000,
					  0x10000,    0x1000000, 0x80000000, 0x100000000,
					  1ull << 63, UINT64_MAX};
	for (unsigned order = 3; order <= MAX_ORDER; order++) {
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			uint8_t block[BLOCK_BYTES];
			uint64_t entries = block_entries(order);
			if (values[v] > q2_refcount_max(order))
				continue;
			for (uint64_t i = 0; i < entries; i++)
				q2_refcount_encode(block, order, i, values[v]);
			assert_true(q2_refcount_find_zero(block, order, 0, entries) ==
				    entries);
			assert_true(q2_refcount_find_nonzero(block, order, 0, entries) ==
				    0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_stored_bytes),
		cmocka_unit_test(test_round_trip_leaves_neighbours),
		cmocka_unit_test(test_find_the_odd_one),
		cmocka_unit_test(test_find_against_plain),
		cmocka_unit_test(test_find_zero_is_not_fooled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
