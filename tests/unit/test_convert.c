/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bits read at every granularity, against one byte for each bit; and every read of it failing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../support/build_image.h"
#include "../support/fault_storage.h"
#include "base/endian.h"
#include "source/source.h"

#define CLUSTER_BITS 9 /* a cluster of data has 4096 bits */
#define MAX_BITS 300000
#define WORDS (MAX_BITS / 64 + 2)

struct world {
	struct memory_file file;
	struct fault_plan faults;
	struct qcow2bm_image *image;
	struct q2_source source;
	uint8_t bits[MAX_BITS];
	uint64_t bit_count;
	unsigned granularity_bits;
	uint64_t words[WORDS];
	uint64_t scratch[Q2_CONVERT_WORDS];
};

/* Clusters of zeros, of ones and of both follow each other; every `dirty_every`th bit of the
 * last kind is set. */
static struct world *begin(uint64_t bit_count, unsigned granularity_bits,
			   unsigned dirty_every)
{
	struct world *world = calloc(1, sizeof(*world));
	assert_non_null(world);
	world->bit_count = bit_count;
	world->granularity_bits = granularity_bits;
	for (uint64_t i = 0; i < bit_count; i++) {
		uint64_t kind = (i >> (CLUSTER_BITS + 3)) % 3;
		world->bits[i] = kind == 1 || (kind == 2 && i % dirty_every == 0);
	}
	const struct build_bitmap bitmap = {.name = "a",
					    .name_bytes = 1,
					    .granularity_bits = (uint8_t)granularity_bits,
					    .bits = world->bits};
	const struct build build = {
		.seed = 4,
		.cluster_bits = CLUSTER_BITS,
		.refcount_order = 4,
		.table_clusters = 8,
		.virtual_bytes = bit_count << granularity_bits,
		.bitmaps = &bitmap,
		.bitmap_count = 1,
	};
	build_image(&build, &world->file);
	struct q2_storage *storage =
		fault_storage_open(memory_storage_open(&world->file), &world->faults);
	assert_int_equal(q2_image_open(&world->image, storage, NULL), QCOW2BM_OK);
	assert_int_equal(q2_source_open_bitmap(&world->source, world->image, 0, NULL),
			 QCOW2BM_OK);
	return world;
}

static void end(struct world *world)
{
	q2_source_close(&world->source);
	qcow2bm_image_close(world->image);
	memory_file_free(&world->file);
	free(world);
}

static enum qcow2bm_code read_at(struct world *world, unsigned granularity_bits,
				 uint64_t first, uint64_t bits)
{
	memset(world->words, 0, sizeof(world->words));
	if (granularity_bits == world->granularity_bits)
		return q2_source_read(&world->source, first, bits, world->words, NULL);
	return q2_convert_read(&world->source, granularity_bits, first, bits,
			       world->words, world->scratch, NULL);
}

/* Bit number `bit` of granularity_bits, by the definition. */
static bool expected(const struct world *world, unsigned granularity_bits, uint64_t bit)
{
	unsigned own = world->granularity_bits;
	if (own >= granularity_bits) {
		uint64_t from = bit >> (own - granularity_bits);
		return from < world->bit_count && world->bits[from] != 0;
	}
	unsigned shift = granularity_bits - own;
	for (uint64_t i = bit << shift; i < (bit + 1) << shift && i < world->bit_count;
	     i++)
		if (world->bits[i] != 0)
			return true;
	return false;
}

static void check(struct world *world, unsigned granularity_bits, uint64_t first,
		  uint64_t bits)
{
	assert_int_equal(read_at(world, granularity_bits, first, bits), QCOW2BM_OK);
	for (uint64_t i = 0; i < bits; i++) {
		bool bit = q2_le64(world->words[i / 64]) >> (i % 64) & 1;
		if (bit != expected(world, granularity_bits, first + i))
			fail_msg("granularity %u from %u: bit %llu is %d",
				 granularity_bits, world->granularity_bits,
				 (unsigned long long)(first + i), bit);
	}
}

static void every_granularity_has_the_same_bits(void **state)
{
	(void)state;
	struct world *world = begin(70000, 14, 4001);
	for (unsigned granularity = 9; granularity <= 31; granularity++) {
		uint64_t bits = build_bits((uint64_t)70000 << 14, granularity);
		uint64_t most = bits < MAX_BITS ? bits : MAX_BITS;
		check(world, granularity, 0, most);
		check(world, granularity, (bits - 1) & ~(uint64_t)63,
		      ((bits - 1) & 63) + 1);
		if (bits > 20000)
			check(world, granularity, 12800, 500);
	}
	end(world);
}

/* One bit stands for more bits than fit the scratch memory. */
static void one_bit_of_very_many(void **state)
{
	(void)state;
	struct world *world = begin(MAX_BITS, 9, 4096);
	for (unsigned granularity = 24; granularity <= 31; granularity++)
		check(world, granularity, 0,
		      build_bits((uint64_t)MAX_BITS << 9, granularity));
	end(world);
}

/* What the disk has not is clean. */
static void nothing_is_behind_the_end(void **state)
{
	(void)state;
	struct world *world = begin(70000, 14, 4001);
	check(world, 14, 69952, 1000);
	check(world, 14, 80000, 64);
	check(world, 13, 139968, 2000);
	check(world, 31, 0, 64);
	check(world, 31, 64, 64);
	assert_int_equal(q2_source_classify(&world->source, 70000, 5), Q2_UNIFORM_ZEROS);
	struct q2_source_range range = q2_convert_range(&world->source, 20, 64, 1 << 20);
	assert_int_equal(range.first, 64 << 6);
	assert_int_equal(range.bits, 70000 - (64 << 6));
	assert_int_equal(q2_convert_range(&world->source, 20, 1 << 20, 64).bits, 0);
	end(world);
}

static void the_table_tells_what_is_uniform(void **state)
{
	(void)state;
	struct world *world = begin(70000, 14, 4001);
	const struct q2_source *source = &world->source;
	static const uint64_t entries[] = {0, 0, 1, 1, 1u << 20};
	memcpy(world->source.table, entries, sizeof(entries));
	assert_int_equal(q2_source_classify(source, 0, 8192), Q2_UNIFORM_ZEROS);
	assert_int_equal(q2_source_classify(source, 8192, 8192), Q2_UNIFORM_ONES);
	assert_int_equal(q2_source_classify(source, 0, 8193), Q2_UNIFORM_MIXED);
	assert_int_equal(q2_source_classify(source, 16384, 1), Q2_UNIFORM_MIXED);
	assert_int_equal(q2_source_classify(source, 16383, 2), Q2_UNIFORM_MIXED);
	end(world);
}

static void a_failed_read_is_told(void **state)
{
	(void)state;
	static const unsigned granularities[] = {9, 12, 14, 15, 20, 29, 30, 31};
	struct world *world = begin(70000, 14, 4001);
	world->faults = (struct fault_plan){.kinds = FAULT_READ, .sys_errno = EIO};
	for (size_t i = 0; i < sizeof(granularities) / sizeof(granularities[0]); i++) {
		uint64_t bits = build_bits((uint64_t)70000 << 14, granularities[i]);
		bits = bits < MAX_BITS ? bits : MAX_BITS;
		world->faults.at = world->faults.failures = 0;
		world->faults.calls = 0;
		assert_int_equal(read_at(world, granularities[i], 0, bits), QCOW2BM_OK);
		size_t calls = world->faults.calls;
		assert_true(calls > 0);
		for (size_t at = 1; at <= calls; at++) {
			world->faults.at = at;
			world->faults.calls = 0;
			assert_int_equal(read_at(world, granularities[i], 0, bits),
					 QCOW2BM_ESYSTEM);
		}
		assert_int_equal(world->faults.failures, calls);
	}
	end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_granularity_has_the_same_bits),
		cmocka_unit_test(one_bit_of_very_many),
		cmocka_unit_test(nothing_is_behind_the_end),
		cmocka_unit_test(the_table_tells_what_is_uniform),
		cmocka_unit_test(a_failed_read_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
