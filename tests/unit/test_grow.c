/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Growing the refcount blocks and the refcount table, with every call on the way failing once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../support/fault_storage.h"
#include "../support/one_edit.h"
#include "edit/grow_refcounts.h"
#include "../support/copies.h"

#define CLUSTER_BITS 9
#define DATA_CLUSTERS 150 /* with refcounts of 64 bits, a block counts 64 clusters */
#define BITS (DATA_CLUSTERS * 4096)

static void build_full(struct one_edit *edit, unsigned order, bool near_table_end)
{
	static uint8_t bits[BITS];
	for (size_t i = 0; i < BITS; i++)
		bits[i] = i % 2 == 0;
	const struct build_bitmap bitmap = {
		.name = "a", .name_bytes = 1, .granularity_bits = 9, .bits = bits};
	const struct build build = {
		.seed = 3,
		.cluster_bits = CLUSTER_BITS,
		.refcount_order = order,
		.virtual_bytes = (uint64_t)BITS << 9,
		.guest_clusters = 20,
		.table_clusters = near_table_end ? 1 : 2,
		.near_table_end = near_table_end,
		.bitmaps = &bitmap,
		.bitmap_count = 1,
	};
	build_image(&build, &edit->file);
}

static enum qcow2bm_code copy_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = qcow2bm_edit_add(edit, "b", 1, 9, true, err);
	return code == QCOW2BM_OK ? qcow2bm_edit_merge(edit, "b", 1, NULL, "a", 1, err)
				  : code;
}

static uint64_t table_off(const struct memory_file *file)
{
	uint64_t off = 0;
	for (unsigned i = 48; i < 56; i++)
		off = off << 8 | file->bytes[i];
	return off;
}

/* Some need no block, some one, some several, and with that a new table. */
static void every_width_grows(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= 6; order++) {
		struct one_edit edit = {0};
		build_full(&edit, order, false);
		assert_int_equal(one_edit_run(&edit, copy_a, 0), QCOW2BM_OK);
		assert_true(edit.is_sound);
		assert_true(inspect_check_refcounts(&edit.inspect, false, NULL));
		if (edit.plan.refcount_clusters == 0)
			assert_int_equal(edit.result.syncs, 3);
		else
			assert_int_equal(edit.result.syncs, 5);
		if (order == 6)
			assert_int_not_equal(table_off(&edit.before),
					     table_off(&edit.file));
		one_edit_free(&edit);
	}
}

static void a_full_table_is_replaced_and_released(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_full(&edit, 6, true);
	assert_int_equal(one_edit_run(&edit, copy_a, 0), QCOW2BM_OK);
	assert_true(edit.is_sound);
	assert_true(inspect_check_refcounts(&edit.inspect, false, NULL));
	uint64_t old = table_off(&edit.before);
	assert_int_not_equal(old, table_off(&edit.file));
	assert_int_equal(edit.inspect.kinds[old >> CLUSTER_BITS], INSPECT_FREE);
	one_edit_free(&edit);
}

/* An L2 entry names the old table: then it may be the guest's. */
static void a_table_that_the_guest_names_is_not_released(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct inspect inspect;
	build_full(&edit, 6, true);
	uint64_t old = table_off(&edit.file);
	assert_true(inspect_load(&inspect, edit.file.bytes, edit.file.length));
	uint64_t l1 = inspect_number(&inspect, 40, 8), l2 = 0;
	for (uint64_t i = 0; l2 == 0; i++)
		l2 = inspect_number(&inspect, l1 + i * 8, 8) & 0x00fffffffffffe00u;
	inspect_free(&inspect);
	uint64_t slot = l2;
	while (edit.file.bytes[slot + 7] != 0 || edit.file.bytes[slot] != 0)
		slot += 8;
	one_edit_store(&edit, slot, 8, old | (uint64_t)1 << 63);
	enum qcow2bm_code code = one_edit_run(&edit, copy_a, 0);
	if (code == QCOW2BM_OK)
		assert_int_equal(inspect_refcount(&edit.inspect, old >> CLUSTER_BITS), 1);
	else
		assert_true(one_edit_is_untouched(&edit));
	one_edit_free(&edit);
}

static enum qcow2bm_code commit_copy(struct qcow2bm_image *image,
				     struct qcow2bm_result *result)
{
	struct qcow2bm_edit *edit;
	enum qcow2bm_code code = qcow2bm_edit_begin(&edit, image, NULL);
	if (code != QCOW2BM_OK)
		return code;
	code = copy_a(edit, NULL);
	if (code == QCOW2BM_OK)
		code = commit_copied(edit, NULL, result, NULL, NULL);
	qcow2bm_edit_end(edit);
	return code;
}

/* The refcounts cover all references, and no more leaks than were told. */
static void check_file(const struct memory_file *file, uint64_t leaked)
{
	struct inspect inspect;
	uint64_t leaks;
	assert_true(inspect_load(&inspect, file->bytes, file->length));
	assert_true(inspect_check_refcounts(&inspect, true, &leaks));
	assert_true(leaks <= leaked);
	inspect_free(&inspect);
}

/* After a failure the same open image is edited again: it succeeds, or says that the image must
 * be opened anew. */
static size_t fail_once(const struct memory_file *start, size_t at, bool from_then_on,
			size_t *refused)
{
	struct memory_file file = {0};
	struct fault_plan faults = {.kinds = FAULT_WRITE | FAULT_SYNC | FAULT_RESIZE,
				    .at = at,
				    .from_then_on = from_then_on,
				    .sys_errno = EIO};
	struct qcow2bm_image *image;
	struct qcow2bm_result result;
	memory_file_fill(&file, start->bytes, start->length);
	struct q2_storage *storage =
		fault_storage_open(memory_storage_open(&file), &faults);
	assert_int_equal(q2_image_open(&image, storage, NULL), QCOW2BM_OK);
	enum qcow2bm_code code = commit_copy(image, &result);
	size_t failures = faults.failures;
	uint64_t leaked = result.leaked_clusters;
	if (code != QCOW2BM_EUNKNOWN)
		check_file(&file, leaked);
	memset(&faults, 0, sizeof(faults));
	if (code != QCOW2BM_OK) {
		code = commit_copy(image, &result);
		assert_true(code == QCOW2BM_OK || code == QCOW2BM_EINVAL);
		*refused += code == QCOW2BM_EINVAL;
		if (code == QCOW2BM_OK)
			check_file(&file, leaked + result.leaked_clusters);
	}
	qcow2bm_image_close(image);
	memory_file_free(&file);
	return failures;
}

/* Only after the write that switches to the new structures, or its sync, has failed is it
 * unknown which are the image's. */
static void every_failure_leaves_the_image_whole(void **state)
{
	(void)state;
	for (unsigned near_table_end = 0; near_table_end < 2; near_table_end++) {
		struct one_edit edit = {0};
		size_t refused = 0, ignored = 0, at = 1;
		build_full(&edit, 6, near_table_end);
		while (fail_once(&edit.file, at, false, &refused) != 0)
			at++;
		assert_true(at > 10);
		assert_int_equal(refused, 2);
		at = 1;
		while (fail_once(&edit.file, at, true, &ignored) != 0)
			at++;
		one_edit_free(&edit);
	}
}

/* ---- Planning alone, with clusters far behind any file ---- */

struct world {
	struct qcow2bm_image image;
	struct q2_refcounts refcounts;
	struct q2_alloc alloc;
	struct q2_growth growth;
	struct qcow2bm_error err;
};

/* A refcount table without a hole, of so many entries; with 64-bit refcounts. */
static void make_world(struct world *world, uint64_t entries)
{
	memset(world, 0, sizeof(*world));
	world->image.header.cluster_bits = CLUSTER_BITS;
	world->image.header.refcount_order = 6;
	world->refcounts = (struct q2_refcounts){.image = &world->image,
						 .table_entries = entries,
						 .block_shift = 6,
						 .block_idx = UINT64_MAX};
	world->refcounts.table = malloc((size_t)entries * sizeof(uint64_t));
	assert_non_null(world->refcounts.table);
	for (uint64_t i = 0; i < entries; i++)
		world->refcounts.table[i] = (i + 1) << CLUSTER_BITS;
}

static void add_free(struct world *world, uint64_t first, uint64_t count)
{
	assert_int_equal(q2_clusters_add(&world->alloc.free_clusters, first, count, NULL),
			 QCOW2BM_OK);
}

static enum qcow2bm_code plan_one(struct world *world)
{
	uint64_t first;
	assert_int_equal(q2_alloc_take(&world->alloc, 1, &first, NULL), QCOW2BM_OK);
	return q2_grow_refcounts_plan(&world->growth, &world->refcounts, &world->alloc,
				      &world->err);
}

static void end_world(struct world *world)
{
	q2_grow_refcounts_free(&world->growth);
	q2_alloc_close(&world->alloc);
	q2_refcounts_close(&world->refcounts);
}

/* QEMU's limit is 8 MiB. */
static void a_table_ends_at_qemus_limit(void **state)
{
	(void)state;
	struct world world;
	uint64_t limit = (8u << 20) / 8;
	make_world(&world, limit - 1);
	add_free(&world, (limit - 1) * 64, 1);
	add_free(&world, 1, 1u << 20); /* for what is added; counted already */
	assert_int_equal(plan_one(&world), QCOW2BM_OK);
	assert_int_equal(world.growth.table_entries, limit);
	end_world(&world);
	make_world(&world, limit);
	add_free(&world, limit * 64, 1u << 20);
	assert_int_equal(plan_one(&world), QCOW2BM_ELIMIT);
	assert_non_null(strstr(world.err.sentence, "1048577 entries"));
	end_world(&world);
}

/* The clusters for the new table are found so far away that it cannot count them. */
static void a_table_that_is_too_short_is_planned_anew(void **state)
{
	(void)state;
	struct world world;
	make_world(&world, 64);
	add_free(&world, 64 * 64, 2);
	add_free(&world, 64 * 500, 1000);
	assert_int_equal(plan_one(&world), QCOW2BM_OK);
	assert_int_equal(world.growth.block_count, 2);
	for (size_t i = 0; i < world.growth.block_count; i++)
		assert_true(world.growth.blocks[i].block_idx <
			    world.growth.table_entries);
	assert_true(world.growth.table_entries > 500);
	end_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_width_grows),
		cmocka_unit_test(a_full_table_is_replaced_and_released),
		cmocka_unit_test(a_table_that_the_guest_names_is_not_released),
		cmocka_unit_test(every_failure_leaves_the_image_whole),
		cmocka_unit_test(a_table_ends_at_qemus_limit),
		cmocka_unit_test(a_table_that_is_too_short_is_planned_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
