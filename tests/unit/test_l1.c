/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one reader of L1 and L2 tables: what is at fault is an error, or told and left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/endian.h"
#include "clusters/l1.h"
#include "clusters/l2.h"
#include "file_fixture.h"

#define CLUSTER_BITS 9
#define CLUSTER_BYTES ((uint64_t)1 << CLUSTER_BITS)
#define FILE_CLUSTERS 64
#define COPIED ((uint64_t)1 << 63)
#define MAX_SEEN 16

struct world {
	struct qcow2bm_image image;
	struct q2_l1_table tables[MAX_SEEN];
	struct q2_l1_list list;
	struct q2_faults faults;
	enum q2_fault told[MAX_SEEN];
	uint64_t told_off[MAX_SEEN];
	size_t told_count;
	struct q2_l1_entry seen[MAX_SEEN];
	size_t seen_count;
	struct qcow2bm_error err;
};

static void note_fault(void *opaque, enum q2_fault fault, uint64_t off)
{
	struct world *world = opaque;
	assert_in_range(world->told_count, 0, MAX_SEEN - 1);
	world->told[world->told_count] = fault;
	world->told_off[world->told_count++] = off;
}

static enum qcow2bm_code note_entry(void *opaque, const struct q2_l1_table *table,
				    const struct q2_l1_entry *entry,
				    struct qcow2bm_error *err)
{
	struct world *world = opaque;
	(void)table;
	(void)err;
	assert_in_range(world->seen_count, 0, MAX_SEEN - 1);
	world->seen[world->seen_count++] = *entry;
	return QCOW2BM_OK;
}

static void begin(struct world *world)
{
	memset(world, 0, sizeof(*world));
	fixture_fill(fixture_other, 1);
	world->image.storage = fixture_open(fixture_other, Q2_STORAGE_WRITE);
	world->image.header.cluster_bits = CLUSTER_BITS;
	world->image.file_bytes = FILE_CLUSTERS * CLUSTER_BYTES;
	world->list.tables = world->tables;
	world->faults = (struct q2_faults){note_fault, world};
	assert_int_equal(
		q2_storage_resize(world->image.storage, world->image.file_bytes, NULL),
		QCOW2BM_OK);
}

static void end(struct world *world)
{
	q2_storage_close(world->image.storage);
}

static void store(struct world *world, uint64_t off, uint64_t value)
{
	uint8_t bytes[8];
	q2_be64_store(bytes, value);
	assert_int_equal(q2_storage_write(world->image.storage, bytes, 8, off, NULL),
			 QCOW2BM_OK);
}

static enum qcow2bm_code read_table(struct world *world, const struct q2_faults *faults)
{
	const struct q2_l1_table table = {.off = CLUSTER_BYTES, .entries = 64};
	world->seen_count = world->told_count = 0;
	return q2_l1_read(&world->image, &table, NULL, faults, note_entry, world,
			  &world->err);
}

static void entries_are_refused_or_told_and_left_out(void **state)
{
	struct world world;
	(void)state;
	begin(&world);
	store(&world, CLUSTER_BYTES + 1 * 8, (2 * CLUSTER_BYTES) | COPIED);
	store(&world, CLUSTER_BYTES + 3 * 8, (3 * CLUSTER_BYTES) | 1);
	store(&world, CLUSTER_BYTES + 4 * 8, 1);
	assert_int_equal(read_table(&world, NULL), QCOW2BM_OK);
	assert_int_equal(world.seen_count, 2);
	assert_int_equal(world.seen[0].idx, 1);
	assert_int_equal(world.seen[0].off, CLUSTER_BYTES + 8);
	assert_int_equal(world.seen[0].l2_off, 2 * CLUSTER_BYTES);
	assert_true(world.seen[0].is_copied && !world.seen[1].is_copied);

	store(&world, CLUSTER_BYTES + 5 * 8, FILE_CLUSTERS * CLUSTER_BYTES);
	assert_int_equal(read_table(&world, NULL), QCOW2BM_EIMAGE);
	assert_int_equal(world.err.offset, CLUSTER_BYTES + 5 * 8);
	assert_int_equal(read_table(&world, &world.faults), QCOW2BM_OK);
	assert_int_equal(world.seen_count, 2);
	assert_int_equal(world.told_count, 3);
	assert_int_equal(world.told[0], Q2_FAULT_L1_RESERVED);
	assert_int_equal(world.told_off[1], CLUSTER_BYTES + 4 * 8);
	assert_int_equal(world.told[2], Q2_FAULT_L2_PLACE);
	end(&world);
}

/* One table twice, a part of it, one that overlaps, one that is at no cluster, one past the end. */
static void tables_are_joined_refused_or_told_and_left_out(void **state)
{
	static const struct q2_l1_table bad[] = {
		{.off = 3 * CLUSTER_BYTES, .entries = 1, .times = 1},
		{.off = 5 * CLUSTER_BYTES + 8, .entries = 1, .times = 1},
		{.off = FILE_CLUSTERS * CLUSTER_BYTES, .entries = 1, .times = 1},
	};
	const struct q2_l1_table good = {
		.off = 2 * CLUSTER_BYTES, .entries = 100, .times = 1, .is_active = true};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct world world;
		begin(&world);
		for (unsigned strict = 0; strict < 2; strict++) {
			world.tables[0] = bad[i];
			world.tables[1] = world.tables[2] = world.tables[3] = good;
			world.tables[2].is_active = false;
			world.tables[3].entries = 7;
			world.list.count = 4;
			world.told_count = 0;
			enum qcow2bm_code code =
				q2_l1_sift(&world.list, &world.image,
					   strict ? NULL : &world.faults, &world.err);
			assert_int_equal(code, strict ? QCOW2BM_EIMAGE : QCOW2BM_OK);
			if (strict) {
				assert_int_equal(world.err.offset, bad[i].off);
				continue;
			}
			assert_int_equal(world.list.count, 1);
			assert_int_equal(world.tables[0].times, 2);
			assert_int_equal(world.tables[0].entries, 100);
			assert_true(world.tables[0].is_active);
			assert_int_equal(world.told_count, 2);
			assert_int_equal(world.told_off[0], good.off);
			assert_int_equal(world.told_off[1], bad[i].off);
		}
		end(&world);
	}
}

/* ---- L2 tables ---- */

static void whole_tables_are_read_side_by_side(void **state)
{
	struct q2_clusters tables = {0};
	struct q2_l2_part part;
	struct world world;
	uint8_t buf[4 * CLUSTER_BYTES];
	(void)state;
	begin(&world);
	store(&world, 22 * CLUSTER_BYTES - 8, 30 * CLUSTER_BYTES);
	assert_int_equal(q2_clusters_add(&tables, 20, 6, NULL), QCOW2BM_OK);
	assert_int_equal(q2_clusters_add(&tables, 40, 1, NULL), QCOW2BM_OK);
	struct q2_l2_way way = q2_l2_way(&world.image, &tables, sizeof(buf));
	way.is_whole = true;
	bool has_found = false;
	while (q2_l2_next(&way, &part)) {
		assert_int_equal(part.off % CLUSTER_BYTES, 0);
		assert_int_equal(part.count % 64, 0);
		assert_int_equal(q2_l2_read(&world.image, &part, buf, NULL), QCOW2BM_OK);
		for (size_t i = 0; i < part.count; i++) {
			bool is_it = q2_l2_entry_off(&part, i) == 22 * CLUSTER_BYTES - 8;
			assert_int_equal(q2_l2_place(q2_l2_entry(&part, i)),
					 is_it ? 30 * CLUSTER_BYTES : 0);
			has_found |= is_it;
		}
		assert_int_equal(q2_l2_may_name(&part, 30 * CLUSTER_BYTES, 1),
				 part.off <= 21 * CLUSTER_BYTES &&
					 21 * CLUSTER_BYTES < part.off + part.count * 8);
	}
	assert_true(has_found);
	assert_int_equal(way.done_bytes, 7 * CLUSTER_BYTES);
	q2_clusters_free(&tables);
	end(&world);
}

static void held_clusters_and_subclusters_are_bits(void **state)
{
	static const uint8_t standard[] = {0, 0, 0, 0, 0, 0, 0, 1,
					   0, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t extended[] = {0, 0, 0, 0, 0, 0, 2, 0,
					   0, 0, 0, 2, 0, 0, 0, 1};
	struct q2_header header = {.cluster_bits = 16};
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		if (i == 1)
			header.incompatible_features = Q2_INCOMPATIBLE_EXTENDED_L2;
		const struct q2_l2_form form = q2_l2_form(&header);
		const struct q2_l2_part part = {.form = &form,
						.bytes = i == 0 ? standard : extended,
						.count = i == 0 ? 2 : 1};
		uint64_t words[2] = {0};
		uint8_t bytes[16];
		q2_l2_find_held(&part, words, 32);
		memcpy(bytes, words, sizeof(bytes));
		assert_int_equal(bytes[4], i == 0 ? 1 : 3);
		assert_int_equal(bytes[0] | bytes[3] | bytes[5] | bytes[8], 0);
		assert_int_equal(q2_l2_table_shift(&form), i == 0 ? 13 : 12);
		assert_int_equal(q2_l2_bits_shift(&form), i == 0 ? 0 : 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(entries_are_refused_or_told_and_left_out,
						fixture_start, fixture_stop),
		cmocka_unit_test_setup_teardown(
			tables_are_joined_refused_or_told_and_left_out, fixture_start,
			fixture_stop),
		cmocka_unit_test_setup_teardown(whole_tables_are_read_side_by_side,
						fixture_start, fixture_stop),
		cmocka_unit_test_setup_teardown(held_clusters_and_subclusters_are_bits,
						fixture_start, fixture_stop),
	};
	return cmocka_run_group_tests(tests, fixture_make_folder, fixture_remove_folder);
}
