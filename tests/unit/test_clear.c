/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clearing writes only where something is dirty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/one_edit.h"

#define BITS (2 * 4096 + 100) /* two whole clusters of data and one that is not */

static uint8_t dirty_bits[BITS];

/* a is dirty, b clean. */
static void build_two(struct one_edit *edit)
{
	const struct build_bitmap bitmaps[] = {
		{.name = "a", .name_bytes = 1, .granularity_bits = 9, .bits = dirty_bits},
		{.name = "b", .name_bytes = 1, .flags = 2, .granularity_bits = 9},
	};
	const struct build build = {
		.seed = 21,
		.cluster_bits = 9,
		.refcount_order = 4,
		.virtual_bytes = (uint64_t)BITS << 9,
		.guest_clusters = 10,
		.gap_percent = 30,
		.bitmaps = bitmaps,
		.bitmap_count = 2,
	};
	dirty_bits[BITS - 1] = 1;
	build_image(&build, &edit->file);
}

static enum qcow2bm_code clear(struct qcow2bm_edit *edit, const char *name,
			       struct qcow2bm_error *err)
{
	return qcow2bm_edit_clear(edit, name, 1, err);
}

static enum qcow2bm_code clear_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return clear(edit, "a", err);
}

static enum qcow2bm_code clear_b(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return clear(edit, "b", err);
}

static enum qcow2bm_code clear_b_twice(struct qcow2bm_edit *edit,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = clear_b(edit, err);
	return code == QCOW2BM_OK ? clear_b(edit, err) : code;
}

static enum qcow2bm_code merge_and_clear_b(struct qcow2bm_edit *edit,
					   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = qcow2bm_edit_merge(edit, "b", 1, NULL, "a", 1, err);
	return code == QCOW2BM_OK ? clear_b(edit, err) : code;
}

static enum qcow2bm_code clear_b_and_merge(struct qcow2bm_edit *edit,
					   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = clear_b(edit, err);
	return code == QCOW2BM_OK ? qcow2bm_edit_merge(edit, "b", 1, NULL, "a", 1, err)
				  : code;
}

static enum qcow2bm_code add_and_clear_c(struct qcow2bm_edit *edit,
					 struct qcow2bm_error *err)
{
	enum qcow2bm_code code = qcow2bm_edit_add(edit, "c", 1, 9, true, err);
	return code == QCOW2BM_OK ? clear(edit, "c", err) : code;
}

static uint64_t dirty_of(const struct one_edit *edit, size_t idx)
{
	const struct inspect_bitmap *bitmap = &edit->inspect.bitmaps[idx];
	uint64_t dirty = 0;
	for (uint64_t i = 0; i < bitmap->bits; i++)
		dirty += inspect_bit(&edit->inspect, bitmap, i);
	return dirty;
}

static void run(struct one_edit *edit, stage_fn *stage)
{
	build_two(edit);
	assert_int_equal(one_edit_run(edit, stage, 0), QCOW2BM_OK);
	assert_true(edit->result.switched);
	assert_true(edit->is_sound);
}

static void what_is_clean_is_not_written(void **state)
{
	(void)state;
	static stage_fn *const stages[] = {clear_b, clear_b_twice, merge_and_clear_b};
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		struct one_edit edit = {0};
		run(&edit, stages[i]);
		assert_true(one_edit_is_settled(&edit));
		assert_int_equal(edit.result.written_clusters, 0);
		assert_int_equal(edit.result.syncs, 1);
		assert_int_equal(edit.plan.release_clusters, 0);
		one_edit_free(&edit);
	}
}

static void the_second_clear_writes_nothing(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	run(&edit, clear_a);
	assert_false(one_edit_is_untouched(&edit));
	assert_true(edit.result.released_clusters > 0);
	assert_int_equal(dirty_of(&edit, 0), 0);
	assert_int_equal(one_edit_run(&edit, clear_a, 0), QCOW2BM_OK);
	assert_true(one_edit_is_settled(&edit));
	one_edit_free(&edit);
}

static void a_merge_into_what_was_cleared_counts(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	run(&edit, clear_b_and_merge);
	assert_int_equal(dirty_of(&edit, 1), 1);
	one_edit_free(&edit);
}

static void a_bitmap_that_is_added_can_be_cleared(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	run(&edit, add_and_clear_c);
	assert_int_equal(edit.inspect.bitmap_count, 3);
	assert_int_equal(dirty_of(&edit, 2), 0);
	one_edit_free(&edit);
}

/* Only deleting gets rid of it: what its data clusters are is not known. */
static void a_table_that_cannot_be_read_is_refused(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit);
	struct inspect inspect;
	assert_true(inspect_load(&inspect, edit.file.bytes, edit.file.length));
	one_edit_store(&edit, inspect.bitmaps[1].table_off, 8, 2); /* a reserved bit */
	inspect_free(&inspect);
	assert_int_equal(one_edit_run(&edit, clear_b, 0), QCOW2BM_EIMAGE);
	assert_true(one_edit_is_untouched(&edit));
	one_edit_free(&edit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_clean_is_not_written),
		cmocka_unit_test(the_second_clear_writes_nothing),
		cmocka_unit_test(a_merge_into_what_was_cleared_counts),
		cmocka_unit_test(a_bitmap_that_is_added_can_be_cleared),
		cmocka_unit_test(a_table_that_cannot_be_read_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
