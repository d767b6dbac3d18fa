/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image with many L2 tables and a full refcount table: what somebody may name is neither handed
 * out nor released nor written in place, however long it takes to look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/one_edit.h"

#define CLUSTER_BYTES 512u
#define COUNTS 64 /* of clusters by a block, of blocks by a cluster of the table */
#define TABLE_CLUSTERS 5
#define L2_TABLES 16400                /* 8 MiB */
#define L2_BYTES (64u * CLUSTER_BYTES) /* of disk, that one maps */
#define BITS (L2_TABLES / 2)
#define COPIED ((uint64_t)1 << 63)

static uint64_t table_off(const struct one_edit *edit)
{
	return one_edit_load(edit, 48, 8);
}

/* An L2 table for every part of the disk, and no refcount is 0. */
static void fill(struct one_edit *edit)
{
	uint64_t next = edit->file.length, l1 = one_edit_load(edit, 40, 8);
	uint64_t blocks = TABLE_CLUSTERS * COUNTS;
	memory_file_resize(&edit->file, blocks * COUNTS * CLUSTER_BYTES);
	for (uint64_t i = 0; i < blocks; i++) {
		if (one_edit_load(edit, table_off(edit) + i * 8, 8) != 0)
			continue;
		one_edit_store(edit, table_off(edit) + i * 8, 8, next);
		next += CLUSTER_BYTES;
	}
	for (uint64_t i = 0; i < L2_TABLES; i++) {
		if (one_edit_load(edit, l1 + i * 8, 8) != 0)
			continue;
		one_edit_store(edit, l1 + i * 8, 8, next | COPIED);
		next += CLUSTER_BYTES;
	}
	assert_true(next <= edit->file.length);
	for (uint64_t c = 0; c < blocks * COUNTS; c++)
		if (one_edit_refcount(edit, c) == 0)
			one_edit_count(edit, c, 1);
}

static void build_large(struct one_edit *edit)
{
	static uint8_t bits[BITS];
	static const struct build_bitmap bitmaps[] = {
		{.name = "a", .name_bytes = 1, .granularity_bits = 16, .bits = bits},
		{.name = "b", .name_bytes = 1, .granularity_bits = 16, .bits = bits},
	};
	const struct build build = {
		.seed = 22,
		.cluster_bits = 9,
		.refcount_order = 6,
		.virtual_bytes = (uint64_t)L2_TABLES * L2_BYTES,
		.guest_clusters = 5,
		.table_clusters = TABLE_CLUSTERS,
		.bitmaps = bitmaps,
		.bitmap_count = 2,
	};
	for (uint64_t i = 0; i < BITS; i++)
		bits[i] = i % 3 == 0;
	memset(edit, 0, sizeof(*edit));
	build_image(&build, &edit->file);
	fill(edit);
}

static void set_entry(struct one_edit *edit, size_t bitmap, uint64_t idx, uint64_t value)
{
	one_edit_store(edit, one_edit_entry_off(edit, bitmap, idx), 8, value);
}

static void map_guest(struct one_edit *edit, uint64_t l2_entry)
{
	uint64_t l2 = one_edit_load(edit, one_edit_load(edit, 40, 8), 8) & ~COPIED;
	one_edit_store(edit, l2, 8, l2_entry);
}

static enum qcow2bm_code enable_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_enable(edit, "a", 1, err);
}

static enum qcow2bm_code delete_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_delete(edit, "a", 1, err);
}

/* ---- The guest's clusters ---- */

/* Whatever the refcounts say, inside the file and behind its end. */
static void what_the_guest_names_is_not_handed_out(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct one_edit edit;
		build_large(&edit);
		edit.is_device = i == 1;
		if (i == 2)
			map_guest(&edit, edit.file.length | COPIED);
		else
			one_edit_count(&edit, one_edit_find(&edit, INSPECT_GUEST), 0);
		assert_int_equal(one_edit_run(&edit, enable_a, 0), QCOW2BM_EIMAGE);
		assert_non_null(strstr(edit.err.sentence, "in use by the guest"));
		assert_true(one_edit_is_untouched(&edit));
		one_edit_free(&edit);
	}
}

/* The directory of a is in a cluster of the guest, too: freed, the guest's data would be lost. */
static void a_directory_that_the_guest_names_is_left(void **state)
{
	(void)state;
	struct one_edit edit;
	build_large(&edit);
	uint64_t directory = one_edit_find(&edit, INSPECT_DIRECTORY);
	map_guest(&edit, directory * CLUSTER_BYTES | COPIED);
	assert_int_equal(one_edit_run(&edit, enable_a, 0), QCOW2BM_OK);
	assert_int_equal(one_edit_refcount(&edit, directory), 1);
	assert_false(one_edit_is_written(&edit, directory));
	assert_int_equal(edit.result.leaked_clusters, 1);
	one_edit_free(&edit);
}

/* What is written in place, whichever edit it is. */
static void refcounts_that_the_guest_names_are_not_written(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct one_edit edit;
		build_large(&edit);
		uint64_t block = one_edit_load(&edit, table_off(&edit) + 8 * 7, 8);
		map_guest(&edit, (i == 0 ? block : table_off(&edit)) | COPIED);
		assert_int_equal(one_edit_run(&edit, enable_a, 0), QCOW2BM_EIMAGE);
		assert_non_null(strstr(edit.err.sentence, "in use by the guest"));
		assert_true(one_edit_is_untouched(&edit));
		one_edit_free(&edit);
	}
}

static void to_release_data_the_tables_are_read(void **state)
{
	(void)state;
	struct one_edit edit;
	build_large(&edit);
	uint64_t guest = one_edit_find(&edit, INSPECT_GUEST);
	set_entry(&edit, 0, 1, guest * CLUSTER_BYTES);
	assert_int_equal(one_edit_run(&edit, delete_a, 0), QCOW2BM_OK);
	assert_int_equal(one_edit_refcount(&edit, guest), 1);
	assert_false(one_edit_is_written(&edit, guest));
	one_edit_free(&edit);
}

/* ---- The old refcount table ---- */

/* The edit replaces the refcount table; `left` are those of its clusters that must keep their
 * refcounts, which the table's first cluster has. */
static void check_old_table(struct one_edit *edit, stage_fn *stage, uint64_t left,
			    uint64_t refcount)
{
	uint64_t old = table_off(edit) / CLUSTER_BYTES;
	assert_int_equal(one_edit_run(edit, stage, 0), QCOW2BM_OK);
	assert_int_not_equal(table_off(edit) / CLUSTER_BYTES, old);
	for (uint64_t i = 0; i < TABLE_CLUSTERS; i++)
		assert_int_equal(one_edit_refcount(edit, old + i),
				 i < left ? refcount : 0);
	assert_int_equal(edit->result.leaked_clusters, left);
	assert_int_equal(edit->plan.leak_clusters, left);
	assert_int_equal(edit->result.leak_reason[0] != '\0', left != 0);
	one_edit_free(edit);
}

static void the_old_table_is_released(void **state)
{
	(void)state;
	struct one_edit edit;
	build_large(&edit);
	check_old_table(&edit, enable_a, 0, 0);
}

static void an_old_table_that_a_deleted_bitmap_names_is_left(void **state)
{
	(void)state;
	struct one_edit edit;
	build_large(&edit);
	/* What the entry named before is leaked already. */
	set_entry(&edit, 0, 1, table_off(&edit));
	check_old_table(&edit, delete_a, 1, 1);
}

static void an_old_table_beside_a_corrupt_bitmap_is_left(void **state)
{
	(void)state;
	struct one_edit edit;
	build_large(&edit);
	set_entry(&edit, 1, 1, (uint64_t)1 << 40);
	check_old_table(&edit, enable_a, TABLE_CLUSTERS, 1);
}

static void an_old_table_that_is_counted_twice_is_left(void **state)
{
	(void)state;
	struct one_edit edit;
	build_large(&edit);
	one_edit_count(&edit, table_off(&edit) / CLUSTER_BYTES, 2);
	check_old_table(&edit, enable_a, 1, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_guest_names_is_not_handed_out),
		cmocka_unit_test(a_directory_that_the_guest_names_is_left),
		cmocka_unit_test(refcounts_that_the_guest_names_are_not_written),
		cmocka_unit_test(to_release_data_the_tables_are_read),
		cmocka_unit_test(the_old_table_is_released),
		cmocka_unit_test(an_old_table_that_a_deleted_bitmap_names_is_left),
		cmocka_unit_test(an_old_table_beside_a_corrupt_bitmap_is_left),
		cmocka_unit_test(an_old_table_that_is_counted_twice_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
