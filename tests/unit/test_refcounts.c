/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Refcounts of a whole image, and what is handed out by them: broken tables are refused, no
 * value but 0 is raised and none but 1 lowered, and what is full says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "../support/build_image.h"
#include "../support/fault_storage.h"
#include "../support/one_edit.h"
#include "edit/alloc.h"
#include "edit/change_refcounts.h"

#define CLUSTER_BITS 9
#define BLOCK_CLUSTERS 256 /* that a block of 16 bit refcounts counts */
#define TABLE_OFF 48u
#define TABLE_CLUSTERS_OFF 56u

struct world {
	struct one_edit edit;
	struct fault_plan faults;
	struct q2_storage *storage;
	struct qcow2bm_image *image;
	struct q2_refcounts refcounts;
	struct qcow2bm_error err;
};

static void build(struct world *world)
{
	static const struct build_bitmap bitmap = {
		.name = "a", .name_bytes = 1, .granularity_bits = 12};
	const struct build build = {
		.seed = 8,
		.cluster_bits = CLUSTER_BITS,
		.refcount_order = 4,
		.virtual_bytes = 1u << 20,
		.guest_clusters = 20,
		.gap_percent = 40,
		.free_at_end = 6,
		.bitmaps = &bitmap,
		.bitmap_count = 1,
	};
	memset(world, 0, sizeof(*world));
	build_image(&build, &world->edit.file);
}

static uint64_t table_off(const struct world *world)
{
	uint64_t off = 0;
	for (unsigned i = 0; i < 8; i++)
		off = off << 8 | world->edit.file.bytes[TABLE_OFF + i];
	return off;
}

static enum qcow2bm_code open_refcounts(struct world *world)
{
	world->storage = fault_storage_open(memory_storage_open(&world->edit.file),
					    &world->faults);
	assert_int_equal(q2_image_open(&world->image, world->storage, &world->err),
			 QCOW2BM_OK);
	return q2_refcounts_open(&world->refcounts, world->image, &world->err);
}

static void end(struct world *world)
{
	q2_refcounts_close(&world->refcounts);
	qcow2bm_image_close(world->image);
	one_edit_free(&world->edit);
}

static void check_refused(struct world *world, const char *words)
{
	assert_int_equal(open_refcounts(world), QCOW2BM_EIMAGE);
	assert_non_null(strstr(world->err.sentence, words));
	end(world);
}

static void broken_tables_are_refused(void **state)
{
	(void)state;
	struct world world;
	build(&world);
	one_edit_store(&world.edit, table_off(&world) + 8, 8, 1u << 20 | 1);
	check_refused(&world, "entry 1 is invalid (0x100001)");
	build(&world);
	one_edit_store(&world.edit, TABLE_CLUSTERS_OFF, 4, 0x800);
	check_refused(&world, "past the end of the file");
}

/* A used cluster and a free one that the same block counts. */
static void find_both(struct world *world, uint64_t *used, uint64_t *unused)
{
	struct q2_clusters set = {0};
	uint64_t stopped;
	*used = 0;
	assert_int_equal(q2_refcounts_find_free(&world->refcounts, 0, BLOCK_CLUSTERS,
						UINT64_MAX, &set, &stopped, &world->err),
			 QCOW2BM_OK);
	assert_int_equal(stopped, BLOCK_CLUSTERS);
	assert_true(set.count > 1);
	*unused = set.runs[0].first;
	q2_clusters_free(&set);
}

static enum qcow2bm_code change(struct world *world, uint64_t cluster, uint64_t count,
				enum q2_change how)
{
	struct q2_run run = {cluster, count};
	const struct q2_clusters set = {.runs = &run, .count = 1, .is_sorted = true};
	return q2_change_refcounts(&world->refcounts, &set, how, &world->err);
}

static void only_0_is_raised_and_only_1_lowered(void **state)
{
	(void)state;
	struct world world;
	uint64_t used, unused;
	build(&world);
	assert_int_equal(open_refcounts(&world), QCOW2BM_OK);
	find_both(&world, &used, &unused);
	assert_int_equal(change(&world, used, 1, Q2_CHANGE_RAISE), QCOW2BM_EIMAGE);
	assert_non_null(strstr(world.err.sentence, "has the refcount 1, not 0"));
	memset(&world.err, 0, sizeof(world.err));
	assert_int_equal(change(&world, unused, 1, Q2_CHANGE_LOWER), QCOW2BM_EIMAGE);
	assert_non_null(strstr(world.err.sentence, "has the refcount 0, not 1"));
	/* A change that failed leaves nothing behind in memory. */
	assert_int_equal(change(&world, unused, 1, Q2_CHANGE_RAISE), QCOW2BM_OK);
	assert_int_equal(change(&world, unused, 1, Q2_CHANGE_LOWER), QCOW2BM_OK);
	end(&world);
}

/* The first of the two is changed in memory when the second is refused. */
static void a_refused_run_leaves_nothing_behind(void **state)
{
	(void)state;
	struct world world;
	uint64_t used, unused;
	build(&world);
	assert_int_equal(open_refcounts(&world), QCOW2BM_OK);
	find_both(&world, &used, &unused);
	assert_int_equal(change(&world, unused, BLOCK_CLUSTERS - unused, Q2_CHANGE_RAISE),
			 QCOW2BM_EIMAGE);
	assert_int_equal(change(&world, unused, 1, Q2_CHANGE_RAISE), QCOW2BM_OK);
	end(&world);
}

static void a_failed_write_leaves_nothing_behind(void **state)
{
	(void)state;
	struct world world;
	uint64_t used, unused;
	build(&world);
	assert_int_equal(open_refcounts(&world), QCOW2BM_OK);
	find_both(&world, &used, &unused);
	world.faults =
		(struct fault_plan){.kinds = FAULT_WRITE, .at = 1, .sys_errno = EIO};
	assert_int_equal(change(&world, unused, 1, Q2_CHANGE_RAISE), QCOW2BM_ESYSTEM);
	assert_int_equal(world.faults.failures, 1);
	assert_int_equal(change(&world, unused, 1, Q2_CHANGE_RAISE), QCOW2BM_OK);
	end(&world);
}

static void what_no_block_counts_cannot_be_raised(void **state)
{
	(void)state;
	struct world world;
	build(&world);
	assert_int_equal(open_refcounts(&world), QCOW2BM_OK);
	uint64_t far = (uint64_t)BLOCK_CLUSTERS * 60;
	assert_false(q2_refcounts_covers(&world.refcounts, far));
	assert_false(q2_refcounts_covers(&world.refcounts, UINT64_MAX));
	assert_int_equal(change(&world, far, 3, Q2_CHANGE_RAISE), QCOW2BM_EIMAGE);
	assert_non_null(strstr(world.err.sentence, "no refcount block counts"));
	end(&world);
}

static void only_ones_are_kept(void **state)
{
	(void)state;
	struct world world;
	uint64_t used, unused;
	struct q2_clusters set = {0};
	build(&world);
	assert_int_equal(open_refcounts(&world), QCOW2BM_OK);
	find_both(&world, &used, &unused);
	assert_int_equal(q2_clusters_add(&set, used, 1, NULL), QCOW2BM_OK);
	assert_int_equal(q2_clusters_add(&set, unused, 1, NULL), QCOW2BM_OK);
	assert_int_equal(q2_clusters_add(&set, (uint64_t)BLOCK_CLUSTERS * 60, 2, NULL),
			 QCOW2BM_OK);
	assert_int_equal(q2_refcounts_keep_ones(&world.refcounts, &set, NULL),
			 QCOW2BM_OK);
	assert_int_equal(q2_clusters_total(&set), 1);
	assert_true(q2_clusters_overlap(&set, used, 1, NULL));
	q2_clusters_free(&set);
	end(&world);
}

/* ---- Allocation ---- */

static void a_device_is_full_at_its_end(void **state)
{
	(void)state;
	struct world world;
	struct q2_alloc alloc;
	struct q2_clusters set = {0};
	uint64_t first;
	build(&world);
	assert_int_equal(open_refcounts(&world), QCOW2BM_OK);
	world.storage->can_grow = false;
	assert_int_equal(q2_alloc_open(&alloc, &world.refcounts, &world.err), QCOW2BM_OK);
	uint64_t all = q2_clusters_total(&alloc.free_clusters);
	assert_true(alloc.free_clusters.count > 1);
	/* There are so many, but nowhere side by side. */
	assert_int_equal(q2_alloc_take(&alloc, all, &first, &world.err), QCOW2BM_ESYSTEM);
	assert_int_equal(world.err.sys_errno, ENOSPC);
	assert_int_equal(q2_alloc_take_any(&alloc, all, &set, &world.err), QCOW2BM_OK);
	assert_true(set.count > 1);
	assert_int_equal(q2_clusters_total(&set), all);
	assert_int_equal(q2_clusters_sort(&set, NULL, NULL), QCOW2BM_OK);
	assert_int_equal(q2_clusters_total(&set), all); /* none twice */
	assert_false(q2_clusters_overlap(&set, world.image->file_bytes >> CLUSTER_BITS,
					 UINT64_MAX / 2, NULL));
	memset(&world.err, 0, sizeof(world.err));
	assert_int_equal(q2_alloc_take_any(&alloc, 1, &set, &world.err), QCOW2BM_ESYSTEM);
	assert_int_equal(world.err.sys_errno, ENOSPC);
	q2_clusters_free(&set);
	q2_alloc_close(&alloc);
	end(&world);
}

static void a_file_grows(void **state)
{
	(void)state;
	struct world world;
	struct q2_alloc alloc;
	uint64_t first;
	build(&world);
	assert_int_equal(open_refcounts(&world), QCOW2BM_OK);
	assert_int_equal(q2_alloc_open(&alloc, &world.refcounts, &world.err), QCOW2BM_OK);
	assert_int_equal(q2_alloc_take(&alloc, 100000, &first, &world.err), QCOW2BM_OK);
	assert_true(first + 100000 > world.image->file_bytes >> CLUSTER_BITS);
	q2_alloc_close(&alloc);
	end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_tables_are_refused),
		cmocka_unit_test(only_0_is_raised_and_only_1_lowered),
		cmocka_unit_test(a_refused_run_leaves_nothing_behind),
		cmocka_unit_test(a_failed_write_leaves_nothing_behind),
		cmocka_unit_test(what_no_block_counts_cannot_be_raised),
		cmocka_unit_test(only_ones_are_kept),
		cmocka_unit_test(a_device_is_full_at_its_end),
		cmocka_unit_test(a_file_grows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
