/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where dirty bits lie: whatever the granularity, the parts and the pieces that are added, each part has
 * what bit by bit lies in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../libqcow2bm/bitmap/parts.h"
#include "../support/random.h"

#define WORDS 8
#define BITS (WORDS * 64)
#define MAX_PARTS 80

struct trial {
	uint64_t words[WORDS];
	uint64_t virtual_bytes;
	unsigned granularity_bits;
	size_t parts;
};

static bool has_bit(const struct trial *trial, uint64_t bit)
{
	return ((const uint8_t *)trial->words)[bit / 8] >> (bit % 8) & 1;
}

/* Of guest bytes [start, end), one bit after the other. */
static uint64_t count_plainly(const struct trial *trial, uint64_t start, uint64_t end)
{
	uint64_t bytes = 0;
	for (uint64_t at = start; at < end;) {
		uint64_t bit = at >> trial->granularity_bits;
		uint64_t next = (bit + 1) << trial->granularity_bits;
		next = next < end ? next : end;
		bytes += has_bit(trial, bit) ? next - at : 0;
		at = next;
	}
	return bytes;
}

static void make_trial(struct trial *trial, struct random *random)
{
	*trial = (struct trial){
		.granularity_bits = 9 + (unsigned)random_below(random, 8),
		.parts = 1 + (size_t)random_below(random, MAX_PARTS),
	};
	uint64_t bits = 1 + random_below(random, BITS);
	uint64_t short_by = random_below(random, (uint64_t)1 << trial->granularity_bits);
	trial->virtual_bytes = (bits << trial->granularity_bits) - short_by;
	unsigned dense = (unsigned)random_below(random, 5);
	for (uint64_t bit = 0; bit < bits; bit++)
		if (random_below(random, 4) < dense)
			((uint8_t *)trial->words)[bit / 8] |= (uint8_t)(1u << (bit % 8));
}

/* Runs of ones are added as such now and then, the rest in pieces that begin in a word. */
static void add_pieces(struct q2_parts *parts, const struct trial *trial,
		       struct random *random)
{
	uint64_t end =
		(trial->virtual_bytes - 1) / ((uint64_t)1 << trial->granularity_bits) + 1;
	for (uint64_t first = 0; first < end;) {
		uint64_t stop = first + 1 + random_below(random, 200), ones = first;
		stop = stop < end ? stop : end;
		while (ones < stop && has_bit(trial, ones))
			ones++;
		if (ones != first && random_below(random, 2) == 0) {
			q2_parts_add_ones(parts, first, ones);
			first = ones;
			continue;
		}
		q2_parts_add_words(parts, trial->words + first / 64, first - first % 64,
				   first, stop);
		first = stop;
	}
}

static void test_each_part(void **state)
{
	(void)state;
	struct random random;
	random_seed(&random, 17);
	for (unsigned i = 0; i < 20000; i++) {
		struct trial trial;
		uint64_t told[MAX_PARTS] = {0};
		make_trial(&trial, &random);
		struct q2_parts parts = {told, trial.parts, trial.virtual_bytes,
					 trial.granularity_bits};
		add_pieces(&parts, &trial, &random);
		for (size_t k = 0; k < trial.parts; k++)
			assert_int_equal(
				told[k],
				count_plainly(
					&trial, trial.virtual_bytes * k / trial.parts,
					trial.virtual_bytes * (k + 1) / trial.parts));
	}
}

/* The largest disk, where the size times the parts is no 64-bit number. */
static void test_large(void **state)
{
	(void)state;
	uint64_t told[3] = {0}, disk = (uint64_t)1 << 62;
	struct q2_parts parts = {told, 3, disk, 31};
	q2_parts_add_ones(&parts, 0, disk >> 31);
	assert_int_equal(told[0], disk / 3);
	assert_int_equal(told[0] + told[1] + told[2], disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_part),
		cmocka_unit_test(test_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
