/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an edit refuses, each with its code, before a byte is written; and that one without
 * effect writes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/one_edit.h"

#define BITS 200

static uint8_t bits_of_a[BITS];

/* a is sound, b is in use, c has extra data that must not be ignored, d is empty. */
static const struct build_bitmap bitmaps[] = {
	{.name = "a", .name_bytes = 1, .granularity_bits = 12, .bits = bits_of_a},
	{.name = "b", .name_bytes = 1, .flags = 1, .granularity_bits = 12},
	{.name = "c",
	 .name_bytes = 1,
	 .granularity_bits = 12,
	 .extra = "x",
	 .extra_bytes = 1},
	{.name = "d", .name_bytes = 1, .flags = 2, .granularity_bits = 14},
};

static void build_four(struct one_edit *edit)
{
	const struct build build = {
		.seed = 5,
		.cluster_bits = 12,
		.refcount_order = 4,
		.virtual_bytes = (uint64_t)BITS << 12,
		.guest_clusters = 5,
		.bitmaps = bitmaps,
		.bitmap_count = 4,
	};
	for (unsigned i = 0; i < BITS; i++)
		bits_of_a[i] = i % 7 == 0;
	build_image(&build, &edit->file);
}

static enum qcow2bm_code add_e(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_add(edit, "e", 1, 12, true, err);
}

/* ---- Images ---- */

static void check_image_refused(uint64_t off, unsigned bytes, uint64_t value,
				const char *words)
{
	struct one_edit edit = {0};
	build_four(&edit);
	one_edit_store(&edit, off, bytes, value);
	assert_int_equal(one_edit_run(&edit, add_e, 0), QCOW2BM_EUNSUPPORTED);
	assert_non_null(strstr(edit.err.sentence, words));
	assert_true(one_edit_is_untouched(&edit));
	one_edit_free(&edit);
}

static void images_that_are_not_edited(void **state)
{
	(void)state;
	check_image_refused(72, 8, 1, "dirty");
	check_image_refused(72, 8, 2, "corrupt");
	check_image_refused(72, 8, 1u << 9, "unknown bits");
	check_image_refused(88, 8, 0, "autoclear bit 0");
}

/* New bitmaps would stand where the damaged extension may lead QEMU to the old ones. */
static void an_image_that_lost_its_extension_is_not_edited(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct inspect inspect;
	build_four(&edit);
	assert_true(inspect_load(&inspect, edit.file.bytes, edit.file.length));
	one_edit_store(&edit, inspect.payload_off - 8, 4, 0x12345678);
	inspect_free(&inspect);
	assert_int_equal(one_edit_run(&edit, add_e, 0), QCOW2BM_EUNSUPPORTED);
	assert_non_null(strstr(edit.err.sentence, "there is no bitmaps extension"));
	assert_true(one_edit_is_untouched(&edit));
	one_edit_free(&edit);
}

static void version_2_is_not_edited(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_four(&edit);
	one_edit_store(&edit, 4, 4, 2);
	memset(edit.file.bytes + 72, 0, 4096 - 72); /* extensions would begin there */
	assert_int_equal(one_edit_run(&edit, add_e, 0), QCOW2BM_EUNSUPPORTED);
	assert_non_null(strstr(edit.err.sentence, "version 2"));
	assert_true(one_edit_is_untouched(&edit));
	one_edit_free(&edit);
}

/* ---- Operations ---- */

static enum qcow2bm_code empty_name(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_add(edit, "", 0, 12, true, err);
}

static enum qcow2bm_code long_name(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	static char name[1024];
	memset(name, 'n', sizeof(name));
	return qcow2bm_edit_rename(edit, "a", 1, name, sizeof(name), err);
}

static enum qcow2bm_code nul_name(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_add(edit, "x\0y", 3, 12, true, err);
}

static enum qcow2bm_code small_granularity(struct qcow2bm_edit *edit,
					   struct qcow2bm_error *err)
{
	return qcow2bm_edit_add(edit, "e", 1, 8, true, err);
}

static enum qcow2bm_code large_granularity(struct qcow2bm_edit *edit,
					   struct qcow2bm_error *err)
{
	return qcow2bm_edit_add(edit, "e", 1, 32, true, err);
}

static enum qcow2bm_code add_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_add(edit, "a", 1, 12, true, err);
}

static enum qcow2bm_code rename_to_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_rename(edit, "d", 1, "a", 1, err);
}

static enum qcow2bm_code clear_nobody(struct qcow2bm_edit *edit,
				      struct qcow2bm_error *err)
{
	return qcow2bm_edit_clear(edit, "aa", 2, err);
}

static enum qcow2bm_code merge_nobody(struct qcow2bm_edit *edit,
				      struct qcow2bm_error *err)
{
	return qcow2bm_edit_merge(edit, "a", 1, NULL, "z", 1, err);
}

static enum qcow2bm_code clear_b(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_clear(edit, "b", 1, err);
}

static enum qcow2bm_code merge_b(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_merge(edit, "a", 1, NULL, "b", 1, err);
}

static enum qcow2bm_code enable_c(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_enable(edit, "c", 1, err);
}

static enum qcow2bm_code delete_c(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_delete(edit, "c", 1, err);
}

static enum qcow2bm_code clear_deleted(struct qcow2bm_edit *edit,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = qcow2bm_edit_delete(edit, "a", 1, err);
	return code == QCOW2BM_OK ? qcow2bm_edit_clear(edit, "a", 1, err) : code;
}

static void operations_that_are_refused(void **state)
{
	(void)state;
	static const struct {
		stage_fn *stage;
		enum qcow2bm_code code;
		const char *words;
	} cases[] = {
		{empty_name, QCOW2BM_EINVAL, "cannot be empty"},
		{long_name, QCOW2BM_EINVAL, "1024"},
		{nul_name, QCOW2BM_EINVAL, "NUL"},
		{small_granularity, QCOW2BM_EINVAL, "under minimum"},
		{large_granularity, QCOW2BM_EINVAL, "exceeds maximum"},
		{add_a, QCOW2BM_EEXIST, "already exists: a"},
		{rename_to_a, QCOW2BM_EEXIST, "already exists: a"},
		{clear_nobody, QCOW2BM_ENOTFOUND, "'aa' not found"},
		{merge_nobody, QCOW2BM_ENOTFOUND, "'z' not found"},
		{clear_deleted, QCOW2BM_ENOTFOUND, "'a' not found"},
		{clear_b, QCOW2BM_EINUSE, "'b' is inconsistent"},
		{merge_b, QCOW2BM_EINUSE, "'b' is inconsistent"},
		{enable_c, QCOW2BM_EUNSUPPORTED, "not marked compatible"},
		{delete_c, QCOW2BM_EUNSUPPORTED, "not marked compatible"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct one_edit edit = {0};
		build_four(&edit);
		assert_int_equal(one_edit_run(&edit, cases[i].stage, 0), cases[i].code);
		assert_int_equal(edit.err.code, cases[i].code);
		assert_non_null(strstr(edit.err.sentence, cases[i].words));
		assert_true(one_edit_is_untouched(&edit));
		one_edit_free(&edit);
	}
}

/* ---- No effect ---- */

static enum qcow2bm_code enable_d(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_enable(edit, "d", 1, err);
}

static enum qcow2bm_code rename_and_back(struct qcow2bm_edit *edit,
					 struct qcow2bm_error *err)
{
	enum qcow2bm_code code = qcow2bm_edit_rename(edit, "a", 1, "z", 1, err);
	return code == QCOW2BM_OK ? qcow2bm_edit_rename(edit, "z", 1, "a", 1, err) : code;
}

static enum qcow2bm_code add_and_delete(struct qcow2bm_edit *edit,
					struct qcow2bm_error *err)
{
	enum qcow2bm_code code = add_e(edit, err);
	return code == QCOW2BM_OK ? qcow2bm_edit_delete(edit, "e", 1, err) : code;
}

static enum qcow2bm_code merge_empty(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_merge(edit, "a", 1, NULL, "d", 1, err);
}

static enum qcow2bm_code merge_itself(struct qcow2bm_edit *edit,
				      struct qcow2bm_error *err)
{
	return qcow2bm_edit_merge(edit, "a", 1, NULL, "a", 1, err);
}

static void what_changes_nothing_writes_nothing(void **state)
{
	(void)state;
	static stage_fn *const stages[] = {enable_d, rename_and_back, add_and_delete,
					   merge_empty, merge_itself};
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		struct one_edit edit = {0};
		build_four(&edit);
		assert_int_equal(one_edit_run(&edit, stages[i], 0), QCOW2BM_OK);
		assert_true(edit.result.switched);
		assert_true(one_edit_is_settled(&edit));
		assert_int_equal(edit.plan.release_clusters, 0);
		one_edit_free(&edit);
	}
}

/* The first edit computes that nothing changes; the second must find the same bits. */
static enum qcow2bm_code merge_d(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_merge(edit, "d", 1, NULL, "a", 1, err);
}

static void the_second_merge_of_a_source_writes_nothing(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_four(&edit);
	assert_int_equal(one_edit_run(&edit, merge_d, 0), QCOW2BM_OK);
	assert_false(one_edit_is_untouched(&edit));
	assert_int_equal(one_edit_run(&edit, merge_d, 0), QCOW2BM_OK);
	assert_true(edit.result.data_bytes_read > 0);
	assert_true(one_edit_is_settled(&edit));
	one_edit_free(&edit);
}

/* d keeps its table and its data beside what the edit changes. */
static enum qcow2bm_code merge_d_add_e(struct qcow2bm_edit *edit,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = merge_d(edit, err);
	return code == QCOW2BM_OK ? add_e(edit, err) : code;
}

static void what_a_merge_does_not_change_is_kept(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_four(&edit);
	assert_int_equal(one_edit_run(&edit, merge_d, 0), QCOW2BM_OK);
	uint64_t table = one_edit_entry_off(&edit, 3, 0);
	assert_int_equal(one_edit_run(&edit, merge_d_add_e, 0), QCOW2BM_OK);
	assert_true(edit.is_sound);
	assert_true(inspect_check_refcounts(&edit.inspect, false, NULL));
	assert_int_equal(one_edit_entry_off(&edit, 3, 0), table);
	assert_int_equal(edit.inspect.bitmap_count, 5);
	one_edit_free(&edit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_that_are_not_edited),
		cmocka_unit_test(an_image_that_lost_its_extension_is_not_edited),
		cmocka_unit_test(version_2_is_not_edited),
		cmocka_unit_test(operations_that_are_refused),
		cmocka_unit_test(what_changes_nothing_writes_nothing),
		cmocka_unit_test(the_second_merge_of_a_source_writes_nothing),
		cmocka_unit_test(what_a_merge_does_not_change_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
