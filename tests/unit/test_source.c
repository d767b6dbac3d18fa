/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What holds for every kind of source: what it tells without reading is what is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../support/build_image.h"
#include "bits/run.h"
#include "source/source.h"

#define CLUSTER_BITS 9 /* a cluster of data has 4096 bits */
#define BITS 30000
#define WORDS (BITS / 64 + 2)

struct world {
	struct memory_file file;
	struct qcow2bm_image *image;
	struct q2_source source;
	uint64_t words[WORDS];
};

static void open_bitmap(struct world *world)
{
	assert_int_equal(q2_source_open_bitmap(&world->source, world->image, 0, NULL),
			 QCOW2BM_OK);
}

/* Whether an entry names it is not what tells a carved bitmap from others here. */
static void open_carved(struct world *world)
{
	const struct q2_directory_entry *entry =
		&world->image->directory.bitmaps[0].entry;
	struct q2_source opened;
	assert_int_equal(q2_source_open_carved(&opened, world->image, entry->table_off,
					       entry->table_entries,
					       entry->granularity_bits, NULL),
			 QCOW2BM_OK);
	world->source = opened; /* it may be moved */
}

static void open_allocated(struct world *world)
{
	assert_int_equal(q2_source_open_allocated(&world->source, world->image, NULL),
			 QCOW2BM_OK);
}

/* Eight bits of the bitmap are one. */
static void open_coarse(struct world *world)
{
	open_bitmap(world);
	assert_int_equal(q2_source_coarsen(&world->source, 12, NULL), QCOW2BM_OK);
	assert_int_equal(world->source.shape.bits, (BITS + 7) / 8);
}

static void open_everything(struct world *world)
{
	q2_source_open_everything(&world->source, world->image);
}

static void open_behind(struct world *world)
{
	q2_source_open_behind(&world->source, world->image, 12345 * 512 + 100);
}

static const struct kind {
	enum q2_source_kind kind;
	void (*open)(struct world *world);
	bool is_mixed; /* all that a source can tell of bits is there */
} kinds[] = {
	{Q2_SOURCE_BITMAP, open_bitmap, true},
	{Q2_SOURCE_BITMAP, open_coarse, true},
	{Q2_SOURCE_CARVED, open_carved, true},
	{Q2_SOURCE_ALLOCATED, open_allocated, true},
	{Q2_SOURCE_EVERYTHING, open_everything, false},
	{Q2_SOURCE_BEHIND, open_behind, true},
};

static void begin(struct world *world, const struct kind *kind, bool extended)
{
	static uint8_t bits[BITS];
	for (uint64_t i = 0; i < BITS; i++) {
		uint64_t what = (i >> (CLUSTER_BITS + 3)) % 3;
		bits[i] = what == 1 || (what == 2 && i % 37 == 0);
	}
	unsigned cluster_bits = extended ? 14 : CLUSTER_BITS;
	const struct build_bitmap bitmap = {
		.name = "a", .name_bytes = 1, .granularity_bits = 9, .bits = bits};
	const struct build build = {
		.seed = 4,
		.cluster_bits = cluster_bits,
		.refcount_order = 4,
		.extended_l2 = extended,
		.virtual_bytes = (uint64_t)BITS << 9,
		.guest_clusters = 40,
		.table_clusters = 8,
		.bitmaps = &bitmap,
		.bitmap_count = 1,
	};
	memset(world, 0, sizeof(*world));
	build_image(&build, &world->file);
	assert_int_equal(
		q2_image_open(&world->image, memory_storage_open(&world->file), NULL),
		QCOW2BM_OK);
	kind->open(world);
	assert_int_equal(q2_source_kind(&world->source), kind->kind);
	assert_int_equal(q2_source_read(&world->source, 0, BITS, world->words, NULL),
			 QCOW2BM_OK);
}

static void end(struct world *world)
{
	q2_source_close(&world->source);
	qcow2bm_image_close(world->image);
	memory_file_free(&world->file);
}

static void check_classify(const struct world *world, uint64_t first, uint64_t bits)
{
	const struct q2_source *source = &world->source;
	enum q2_uniform uniform = q2_source_classify(source, first, bits);
	uint64_t stop =
		first + bits < source->shape.bits ? first + bits : source->shape.bits;
	for (uint64_t i = first; uniform != Q2_UNIFORM_MIXED && i < stop; i++)
		assert_int_equal(q2_run_bit(world->words, i), uniform == Q2_UNIFORM_ONES);
}

/* Any part of the bits, of any length, is what it is in the whole; words end in zeros. */
static void check_read(const struct world *world, uint64_t first, uint64_t bits)
{
	uint64_t words[WORDS];
	memset(words, 0xa5, sizeof(words));
	assert_int_equal(q2_source_read(&world->source, first, bits, words, NULL),
			 QCOW2BM_OK);
	for (uint64_t i = 0; i < (bits + 63) / 64 * 64; i++) {
		bool is_there = i < bits && first + i < BITS;
		assert_int_equal(q2_run_bit(words, i),
				 is_there && q2_run_bit(world->words, first + i));
	}
}

static void every_kind_tells_what_it_reads(void **state)
{
	(void)state;
	static struct world world;
	struct random random;
	random_seed(&random, 5);
	for (size_t k = 0; k < 2 * sizeof(kinds) / sizeof(kinds[0]); k++) {
		begin(&world, &kinds[k / 2], k % 2 != 0);
		for (int i = 0; i < 300; i++) {
			uint64_t first = random_below(&random, BITS + 500);
			uint64_t bits = 1 + random_below(&random, i % 2 ? 400 : 12000);
			check_classify(&world, first, bits);
			check_read(&world, first - first % 64,
				   bits < BITS - 64 ? bits : 64);
		}
		assert_int_equal(q2_source_cost(&world.source, 4096) == 0,
				 kinds[k / 2].kind == Q2_SOURCE_EVERYTHING ||
					 kinds[k / 2].kind == Q2_SOURCE_BEHIND);
		end(&world);
	}
}

/* Two kinds of uniform bits and what has to be read, or what the kind has of them. */
static void uniform_bits_are_told_where_there_are_some(void **state)
{
	(void)state;
	static struct world world;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		unsigned seen = 0;
		begin(&world, &kinds[k], false);
		for (uint64_t first = 0; first < world.source.shape.bits; first += 64)
			seen |= 1u << q2_source_classify(&world.source, first, 64);
		assert_int_equal((seen & 1u << Q2_UNIFORM_MIXED) != 0, kinds[k].is_mixed);
		if (kinds[k].kind != Q2_SOURCE_ALLOCATED)
			assert_true((seen & 1u << Q2_UNIFORM_ONES) != 0);
		if (kinds[k].is_mixed)
			assert_true((seen & 1u << Q2_UNIFORM_ZEROS) != 0);
		end(&world);
	}
}

/* A bit that stands for the first byte behind the end is set, and the one before it is not. */
static void what_lies_behind_begins_with_its_byte(void **state)
{
	(void)state;
	static struct world world;
	const struct kind behind = {Q2_SOURCE_BEHIND, open_behind, true};
	begin(&world, &behind, false);
	assert_false(q2_run_bit(world.words, 12344));
	assert_true(q2_run_bit(world.words, 12345));
	assert_true(q2_run_bit(world.words, BITS - 1));
	end(&world);
}

struct visit {
	const struct world *world;
	uint64_t next, pieces;
};

static enum qcow2bm_code look_at_piece(void *opaque, uint64_t first, uint64_t bits,
				       const uint64_t *words, bool value,
				       struct qcow2bm_error *err)
{
	struct visit *visit = opaque;
	(void)err;
	assert_int_equal(first, visit->next);
	assert_int_equal(first % 64, 0);
	for (uint64_t i = 0; i < bits; i++)
		assert_int_equal(q2_run_bit(visit->world->words, first + i),
				 words == NULL ? value : q2_run_bit(words, i));
	visit->next += bits;
	visit->pieces++;
	return QCOW2BM_OK;
}

static void every_kind_is_visited_whole(void **state)
{
	(void)state;
	static struct world world;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		begin(&world, &kinds[k], false);
		uint64_t bits = world.source.shape.bits;
		for (uint64_t first = 0; first < bits; first += 4999) {
			struct visit visit = {.world = &world,
					      .next = first - first % 64};
			assert_int_equal(q2_source_visit(&world.source, first, bits,
							 look_at_piece, &visit, NULL),
					 QCOW2BM_OK);
			assert_int_equal(visit.next, bits);
			/* What is alike is one piece, whatever the clusters. */
			if (kinds[k].kind == Q2_SOURCE_EVERYTHING)
				assert_int_equal(visit.pieces, 1);
			else
				assert_true(visit.pieces <= bits / 4096 + 1);
		}
		end(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_tells_what_it_reads),
		cmocka_unit_test(uniform_bits_are_told_where_there_are_some),
		cmocka_unit_test(what_lies_behind_begins_with_its_byte),
		cmocka_unit_test(every_kind_is_visited_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
