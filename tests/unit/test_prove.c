/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a commit may free, take over and hand out: never what the guest or another structure
 * uses too, whatever the bitmap tables and the refcounts say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/one_edit.h"
#include "clusters/refs.h"

#define CLUSTER_BITS 9
#define BITS (2 * 4096 + 100) /* two whole clusters of data and one that is not */

static uint8_t bits_of_a[BITS], bits_of_b[BITS];

/* a and b have three clusters of data each. */
static void build_two(struct one_edit *edit)
{
	const struct build_bitmap bitmaps[] = {
		{.name = "a", .name_bytes = 1, .granularity_bits = 9, .bits = bits_of_a},
		{.name = "b", .name_bytes = 1, .granularity_bits = 9, .bits = bits_of_b},
	};
	const struct build build = {
		.seed = 11,
		.cluster_bits = CLUSTER_BITS,
		.refcount_order = 4,
		.virtual_bytes = (uint64_t)BITS << 9,
		.guest_clusters = 30,
		.gap_percent = 30,
		.bitmaps = bitmaps,
		.bitmap_count = 2,
	};
	for (uint64_t i = 0; i < BITS; i++) {
		bits_of_a[i] = i % 3 == 0;
		bits_of_b[i] = i % 5 == 0;
	}
	build_image(&build, &edit->file);
}

static uint64_t entry_of(const struct one_edit *edit, size_t bitmap, uint64_t idx)
{
	return one_edit_load(edit, one_edit_entry_off(edit, bitmap, idx), 8);
}

static void set_entry(struct one_edit *edit, size_t bitmap, uint64_t idx, uint64_t value)
{
	one_edit_store(edit, one_edit_entry_off(edit, bitmap, idx), 8, value);
}

static uint64_t refcount_of(const struct one_edit *edit, uint64_t cluster)
{
	return inspect_refcount(&edit->inspect, cluster);
}

static enum qcow2bm_code delete_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_delete(edit, "a", 1, err);
}

static enum qcow2bm_code clear_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_clear(edit, "a", 1, err);
}

static enum qcow2bm_code merge_a_into_b(struct qcow2bm_edit *edit,
					struct qcow2bm_error *err)
{
	return qcow2bm_edit_merge(edit, "b", 1, NULL, "a", 1, err);
}

static enum qcow2bm_code move_a_into_b(struct qcow2bm_edit *edit,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = qcow2bm_edit_clear(edit, "b", 1, err);
	if (code == QCOW2BM_OK)
		code = merge_a_into_b(edit, err);
	return code == QCOW2BM_OK ? delete_a(edit, err) : code;
}

static enum qcow2bm_code merge_b_into_a(struct qcow2bm_edit *edit,
					struct qcow2bm_error *err)
{
	return qcow2bm_edit_merge(edit, "a", 1, NULL, "b", 1, err);
}

static void data_changes_its_owner_unread(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit);
	uint64_t data[3];
	for (uint64_t i = 0; i < 3; i++)
		data[i] = entry_of(&edit, 0, i);
	assert_int_equal(one_edit_run(&edit, move_a_into_b, 0), QCOW2BM_OK);
	assert_true(edit.is_sound);
	assert_true(inspect_check_refcounts(&edit.inspect, false, NULL));
	assert_int_equal(edit.inspect.bitmap_count, 1);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(entry_of(&edit, 0, i), data[i]);
	assert_int_equal(edit.result.data_bytes_read, 0);
	/* Directory and table of b. */
	assert_int_equal(edit.result.written_clusters, 2);
	one_edit_free(&edit);
}

/* A cluster that somebody else may have, too, is copied. */
static void data_that_is_counted_twice_keeps_its_owner(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit);
	uint64_t shared = entry_of(&edit, 0, 0), own = entry_of(&edit, 0, 1);
	one_edit_count(&edit, shared >> CLUSTER_BITS, 2);
	assert_int_equal(one_edit_run(&edit, move_a_into_b, 0), QCOW2BM_OK);
	assert_true(edit.is_sound);
	assert_int_not_equal(entry_of(&edit, 0, 0), shared);
	assert_int_equal(entry_of(&edit, 0, 1), own);
	assert_int_equal(refcount_of(&edit, shared >> CLUSTER_BITS), 2);
	one_edit_free(&edit);
}

static enum qcow2bm_code copy_a_twice(struct qcow2bm_edit *edit,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code = qcow2bm_edit_add(edit, "c", 1, 9, false, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_add(edit, "d", 1, 9, false, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_merge(edit, "c", 1, NULL, "a", 1, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_merge(edit, "d", 1, NULL, "a", 1, err);
	return code == QCOW2BM_OK ? delete_a(edit, err) : code;
}

static void data_has_one_new_owner_only(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit);
	assert_int_equal(one_edit_run(&edit, copy_a_twice, 0), QCOW2BM_OK);
	assert_true(edit.is_sound);
	assert_true(inspect_check_refcounts(&edit.inspect, false, NULL));
	for (uint64_t i = 0; i < 3; i++)
		assert_int_not_equal(entry_of(&edit, 1, i), entry_of(&edit, 2, i));
	one_edit_free(&edit);
}

/* The cluster is the guest's: it is neither freed nor written, and said to be leaked. */
static void a_guest_cluster_in_a_table_is_never_freed(void **state)
{
	(void)state;
	static stage_fn *const stages[] = {delete_a, clear_a};
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		struct one_edit edit = {0};
		build_two(&edit);
		uint64_t guest = one_edit_find(&edit, INSPECT_GUEST);
		set_entry(&edit, 0, 1, guest << CLUSTER_BITS);
		assert_int_equal(one_edit_run(&edit, stages[i], 0), QCOW2BM_OK);
		assert_true(edit.is_sound);
		assert_int_equal(refcount_of(&edit, guest), 1);
		assert_false(one_edit_is_written(&edit, guest));
		assert_memory_equal(edit.file.bytes + (guest << CLUSTER_BITS),
				    edit.before.bytes + (guest << CLUSTER_BITS),
				    1u << CLUSTER_BITS);
		assert_true(edit.plan.leak_clusters >= 1);
		assert_true(edit.result.leaked_clusters >= 1);
		assert_string_not_equal(edit.result.leak_reason, "");
		one_edit_free(&edit);
	}
}

static enum qcow2bm_code rename_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_rename(edit, "a", 1, "n", 1, err);
}

static enum qcow2bm_code enable_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_enable(edit, "a", 1, err);
}

static enum qcow2bm_code rename_b(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_rename(edit, "b", 1, "n", 1, err);
}

/* No refcount tells that a cluster of a is the guest's; the L2 tables do. */
static void a_guest_cluster_is_no_source_of_bits(void **state)
{
	(void)state;
	static stage_fn *const stages[] = {merge_a_into_b, merge_b_into_a, move_a_into_b,
					   rename_a, enable_a};
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		struct one_edit edit = {0};
		build_two(&edit);
		uint64_t guest = one_edit_find(&edit, INSPECT_GUEST);
		set_entry(&edit, 0, 1, guest << CLUSTER_BITS);
		assert_int_equal(one_edit_run(&edit, stages[i], 0), QCOW2BM_EIMAGE);
		assert_non_null(strstr(edit.err.sentence, "bitmap 'a' is corrupt"));
		assert_non_null(strstr(edit.err.sentence, "the guest's disk"));
		assert_int_equal(edit.err.offset, guest << CLUSTER_BITS);
		assert_true(one_edit_is_untouched(&edit));
		assert_int_equal(
			one_edit_run(&edit, stages[i], QCOW2BM_COMMIT_TRUST_REFCOUNTS),
			QCOW2BM_OK);
		one_edit_free(&edit);
	}
	struct one_edit edit = {0};
	build_two(&edit);
	set_entry(&edit, 0, 1, one_edit_find(&edit, INSPECT_GUEST) << CLUSTER_BITS);
	assert_int_equal(one_edit_run(&edit, rename_b, 0), QCOW2BM_OK);
	one_edit_free(&edit);
}

/* Two entries of a name one cluster, or an entry of b does. */
static void a_cluster_that_is_named_twice_is_leaked(void **state)
{
	(void)state;
	for (size_t other = 0; other < 2; other++) {
		struct one_edit edit = {0};
		build_two(&edit);
		uint64_t shared = entry_of(&edit, 0, 0);
		set_entry(&edit, other, 1, shared);
		if (other == 1) { /* b, which has a's bits, would look sound */
			assert_int_equal(one_edit_run(&edit, delete_a, 0),
					 QCOW2BM_EIMAGE);
			assert_true(one_edit_is_untouched(&edit));
			one_edit_free(&edit);
			continue;
		}
		assert_int_equal(one_edit_run(&edit, delete_a, 0), QCOW2BM_OK);
		assert_int_equal(refcount_of(&edit, shared >> CLUSTER_BITS), 1);
		assert_false(one_edit_is_written(&edit, shared >> CLUSTER_BITS));
		assert_int_equal(edit.result.leaked_clusters, 1);
		assert_string_not_equal(edit.result.leak_reason, "");
		one_edit_free(&edit);
	}
}

static enum qcow2bm_code delete_both(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = delete_a(edit, err);
	return code == QCOW2BM_OK ? qcow2bm_edit_delete(edit, "b", 1, err) : code;
}

/* Whose a table is that two entries name is not known, though both go. */
static void a_table_that_two_have_is_leaked(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit);
	uint64_t table = one_edit_entry_off(&edit, 0, 0), data = entry_of(&edit, 0, 0);
	uint64_t second = (one_edit_find(&edit, INSPECT_DIRECTORY) << CLUSTER_BITS) + 32;
	one_edit_store(&edit, second, 8, table);
	assert_int_equal(one_edit_run(&edit, delete_both, 0), QCOW2BM_OK);
	assert_int_equal(refcount_of(&edit, table >> CLUSTER_BITS), 1);
	assert_int_equal(refcount_of(&edit, data >> CLUSTER_BITS), 1);
	one_edit_free(&edit);
}

static void a_cluster_that_is_counted_twice_is_leaked(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit);
	uint64_t data = entry_of(&edit, 0, 0) >> CLUSTER_BITS;
	one_edit_count(&edit, data, 2);
	assert_int_equal(one_edit_run(&edit, delete_a, 0), QCOW2BM_OK);
	assert_int_equal(refcount_of(&edit, data), 2);
	assert_int_equal(edit.result.leaked_clusters, 1);
	one_edit_free(&edit);
}

/* What a names lies nowhere: it can be deleted all the same, and nothing is guessed. */
static void a_bitmap_with_a_lost_table_can_be_deleted(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit);
	set_entry(&edit, 0, 1, (uint64_t)1 << 40);
	assert_int_equal(one_edit_run(&edit, merge_a_into_b, 0), QCOW2BM_EIMAGE);
	assert_true(one_edit_is_untouched(&edit));
	assert_int_equal(one_edit_run(&edit, delete_a, 0), QCOW2BM_OK);
	assert_true(edit.is_sound);
	assert_int_equal(edit.inspect.bitmap_count, 1);
	assert_string_not_equal(edit.result.leak_reason, "");
	one_edit_free(&edit);
}

/* The last cluster of data is partly used: its bits behind the last are 0 though both sources
 * are all ones; whole clusters of ones become entries. */
static void ones_are_entries_except_in_a_partly_used_cluster(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit);
	for (uint64_t i = 0; i < 3; i++)
		set_entry(&edit, 0, i, 1);
	assert_int_equal(one_edit_run(&edit, merge_a_into_b, 0), QCOW2BM_OK);
	assert_true(edit.is_sound);
	assert_int_equal(entry_of(&edit, 1, 0), 1);
	assert_int_equal(entry_of(&edit, 1, 1), 1);
	uint64_t last = entry_of(&edit, 1, 2);
	assert_true(last > 1);
	for (uint64_t bit = 0; bit < 4096; bit++)
		assert_int_equal(edit.file.bytes[last + bit / 8] >> bit % 8 & 1,
				 bit < 100);
	one_edit_free(&edit);
}

/* Of a table whose second entry cannot be, not even the first is believed. */
static void a_table_that_cannot_be_read_names_nothing(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct qcow2bm_image *image;
	struct q2_clusters named = {0};
	build_two(&edit);
	set_entry(&edit, 0, 1, 0x1ff);
	assert_int_equal(
		q2_image_open_damaged(&image, memory_storage_open(&edit.file), NULL),
		QCOW2BM_OK);
	assert_int_equal(
		q2_refs_add_bitmap(&named, image, &image->directory.bitmaps[0], NULL),
		QCOW2BM_EIMAGE);
	assert_int_equal(named.count, 0);
	q2_clusters_free(&named);
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_changes_its_owner_unread),
		cmocka_unit_test(data_that_is_counted_twice_keeps_its_owner),
		cmocka_unit_test(data_has_one_new_owner_only),
		cmocka_unit_test(a_guest_cluster_in_a_table_is_never_freed),
		cmocka_unit_test(a_guest_cluster_is_no_source_of_bits),
		cmocka_unit_test(a_cluster_that_is_named_twice_is_leaked),
		cmocka_unit_test(a_table_that_two_have_is_leaked),
		cmocka_unit_test(a_cluster_that_is_counted_twice_is_leaked),
		cmocka_unit_test(a_table_that_cannot_be_read_names_nothing),
		cmocka_unit_test(a_bitmap_with_a_lost_table_can_be_deleted),
		cmocka_unit_test(ones_are_entries_except_in_a_partly_used_cluster),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
