/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The L2 walk through a file with holes, by several threads: finds what a plain look finds, leaves
 * holes out, hears its caller and passes on what fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../support/random.h"
#include "base/endian.h"
#include "base/error.h"
#include "clusters/refs.h"
#include "clusters/search.h"
#include "file_fixture.h"

#define CLUSTER_BITS 16
#define CLUSTER_BYTES ((uint64_t)1 << CLUSTER_BITS)
#define ENTRIES (CLUSTER_BYTES / 8)
#define TABLES 600u /* 37.5 MiB: more than a reader each */
#define FILE_CLUSTERS (TABLES * 3)
#define GUEST_CLUSTERS 100000u

struct world {
	struct qcow2bm_image image;
	struct q2_clusters l2_tables, wanted, named, expected;
	struct random random;
};

/* The storage of the tests is the file's, with a read that may fail or be counted. */
static struct q2_storage_ops own_ops;
static const struct q2_storage_ops *file_ops;
static uint64_t fails_from;

static enum qcow2bm_code fail_read(struct q2_storage *storage, void *buf, size_t bytes,
				   uint64_t off, struct qcow2bm_error *err)
{
	if (off >= fails_from)
		return q2_fail(err, QCOW2BM_ESYSTEM, off, "this read fails");
	return file_ops->read(storage, buf, bytes, off, err);
}

/* Two of three tables are there, some of their entries name something; the others are holes. */
static void write_table(struct world *world, uint64_t cluster)
{
	uint8_t *table = calloc(1, CLUSTER_BYTES);
	assert_non_null(table);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t guest = random_below(&world->random, GUEST_CLUSTERS);
		uint64_t at = random_below(&world->random, ENTRIES);
		q2_be64_store(table + at * 8, guest << CLUSTER_BITS | (uint64_t)1 << 63);
	}
	for (uint64_t at = 0; at < ENTRIES; at++) {
		uint64_t guest = q2_be64_load(table + at * 8) << 8 >> 8 >> CLUSTER_BITS;
		if (guest != 0 && q2_clusters_overlap(&world->wanted, guest, 1, NULL))
			assert_int_equal(
				q2_clusters_note(&world->expected, guest, 1, NULL),
				QCOW2BM_OK);
	}
	assert_int_equal(q2_storage_write(world->image.storage, table, CLUSTER_BYTES,
					  cluster << CLUSTER_BITS, NULL),
			 QCOW2BM_OK);
	free(table);
}

static void begin(struct world *world)
{
	memset(world, 0, sizeof(*world));
	random_seed(&world->random, 7);
	fixture_fill(fixture_other, 1);
	world->image.storage = fixture_open(fixture_other, Q2_STORAGE_WRITE);
	world->image.header.cluster_bits = CLUSTER_BITS;
	assert_true(world->image.storage->is_parallel);
	for (uint64_t c = 1; c < GUEST_CLUSTERS;
	     c += 1 + random_below(&world->random, 200))
		assert_int_equal(q2_clusters_add(&world->wanted, c, 1, NULL), QCOW2BM_OK);
	assert_int_equal(q2_storage_resize(world->image.storage,
					   FILE_CLUSTERS * CLUSTER_BYTES, NULL),
			 QCOW2BM_OK);
	for (uint64_t i = 0; i < TABLES; i++) {
		uint64_t cluster = i * 3 + random_below(&world->random, 3);
		assert_int_equal(q2_clusters_note(&world->l2_tables, cluster, 1, NULL),
				 QCOW2BM_OK);
		if (i % 3 != 0)
			write_table(world, cluster);
	}
	world->image.file_bytes = FILE_CLUSTERS * CLUSTER_BYTES;
	assert_int_equal(q2_clusters_sort(&world->expected, NULL, NULL), QCOW2BM_OK);
	file_ops = world->image.storage->ops;
	own_ops = *file_ops;
	own_ops.read = fail_read;
	world->image.storage->ops = &own_ops;
	fails_from = UINT64_MAX;
}

static void end(struct world *world)
{
	q2_clusters_free(&world->l2_tables);
	q2_clusters_free(&world->wanted);
	q2_clusters_free(&world->named);
	q2_clusters_free(&world->expected);
	q2_storage_close(world->image.storage);
}

static enum qcow2bm_code walk(struct world *world, struct q2_watch *watch,
			      struct qcow2bm_error *err)
{
	return q2_search_find(&world->image, &world->l2_tables, &world->wanted,
			      &world->named, watch, err);
}

static void all_of_them_find_what_one_finds(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world world;
		struct q2_watch watch = {.done = 5, .total = TABLES * CLUSTER_BYTES + 5};
		begin(&world);
		world.image.storage->is_parallel = i == 0;
		assert_int_equal(walk(&world, &watch, NULL), QCOW2BM_OK);
		assert_int_equal(q2_clusters_sort(&world.named, NULL, NULL), QCOW2BM_OK);
		assert_int_equal(world.named.count, world.expected.count);
		assert_memory_equal(world.named.runs, world.expected.runs,
				    world.named.count * sizeof(*world.named.runs));
		assert_true(watch.done > 5 && watch.done <= watch.total);
		end(&world);
	}
}

/* A terabyte of tables in a hole takes no time, and no read. */
static void holes_are_left_out(void **state)
{
	(void)state;
	struct world world;
	begin(&world);
	const uint64_t clusters = (uint64_t)1 << (40 - CLUSTER_BITS);
	if (q2_storage_resize(world.image.storage, clusters << CLUSTER_BITS, NULL) !=
	    QCOW2BM_OK)
		skip();
	world.image.file_bytes = clusters << CLUSTER_BITS;
	assert_int_equal(q2_clusters_add(&world.l2_tables, FILE_CLUSTERS,
					 clusters - FILE_CLUSTERS, NULL),
			 QCOW2BM_OK);
	fails_from = FILE_CLUSTERS * CLUSTER_BYTES;
	assert_int_equal(walk(&world, NULL, NULL), QCOW2BM_OK);
	end(&world);
}

/* What the end of the file cuts off is not taken for a hole. */
static void what_is_cut_off_fails(void **state)
{
	(void)state;
	struct world world;
	struct qcow2bm_error err = {0};
	begin(&world);
	assert_int_equal(q2_clusters_add(&world.l2_tables, FILE_CLUSTERS, 1, NULL),
			 QCOW2BM_OK);
	assert_int_equal(walk(&world, NULL, &err), QCOW2BM_EIMAGE);
	assert_int_equal(err.code, QCOW2BM_EIMAGE);
	end(&world);
}

static void a_failure_of_any_of_them_is_passed_on(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct world world;
		struct qcow2bm_error err = {0};
		begin(&world);
		fails_from = (FILE_CLUSTERS - 20) / (i + 1) * CLUSTER_BYTES;
		assert_int_equal(walk(&world, NULL, &err), QCOW2BM_ESYSTEM);
		assert_string_equal(err.sentence, "this read fails");
		assert_true(err.offset >= fails_from);
		end(&world);
	}
}

static bool wants_to_stop(void *opaque)
{
	++*(unsigned *)opaque;
	return true;
}

static void the_caller_stops_them(void **state)
{
	(void)state;
	struct world world;
	struct qcow2bm_error err = {0};
	unsigned asked = 0;
	struct q2_watch watch = {
		.caller = {.interrupted = wants_to_stop, .opaque = &asked},
		.state = "the image is as it was"};
	begin(&world);
	assert_int_equal(walk(&world, &watch, &err), QCOW2BM_EINTERRUPTED);
	assert_string_equal(err.sentence, "interrupted; the image is as it was");
	assert_int_equal(asked, 1);
	end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_of_them_find_what_one_finds,
						fixture_start, fixture_stop),
		cmocka_unit_test_setup_teardown(holes_are_left_out, fixture_start,
						fixture_stop),
		cmocka_unit_test_setup_teardown(what_is_cut_off_fails, fixture_start,
						fixture_stop),
		cmocka_unit_test_setup_teardown(a_failure_of_any_of_them_is_passed_on,
						fixture_start, fixture_stop),
		cmocka_unit_test_setup_teardown(the_caller_stops_them, fixture_start,
						fixture_stop),
	};
	return cmocka_run_group_tests(tests, fixture_make_folder, fixture_remove_folder);
}
