/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No edit makes a corrupt bitmap that it leaves look sound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/one_edit.h"
#include "image/image.h"

#define CLUSTER_BITS 9
#define BITS (2 * 4096 + 100) /* three clusters of data, all of them with bits */
#define ENTRY_BYTES 32        /* a name of one byte and seven of padding */
#define FLAGS_OFF 12
#define TABLE_SIZE_OFF 8
#define PADDING_OFF 25
#define IN_USE 1

static uint8_t some_bits[BITS];
static uint64_t directory_off;

static void build_three(struct one_edit *edit)
{
	const struct build_bitmap bitmaps[] = {
		{.name = "a", .name_bytes = 1, .granularity_bits = 9, .bits = some_bits},
		{.name = "b", .name_bytes = 1, .granularity_bits = 9, .bits = some_bits},
		{.name = "c", .name_bytes = 1, .granularity_bits = 9},
	};
	const struct build build = {
		.seed = 37,
		.cluster_bits = CLUSTER_BITS,
		.refcount_order = 4,
		.virtual_bytes = (uint64_t)BITS << 9,
		.guest_clusters = 10,
		.gap_percent = 30,
		.bitmaps = bitmaps,
		.bitmap_count = 3,
	};
	for (size_t i = 0; i < BITS; i++)
		some_bits[i] = i % 3 == 0;
	memset(edit, 0, sizeof(*edit));
	build_image(&build, &edit->file);
	directory_off = one_edit_find(edit, INSPECT_DIRECTORY) << CLUSTER_BITS;
}

/* Where the directory has a field of bitmap idx, until it is moved. */
static uint64_t field_of(unsigned idx, unsigned off)
{
	return directory_off + (uint64_t)idx * ENTRY_BYTES + off;
}

static void mark_in_use(struct one_edit *edit, unsigned idx)
{
	one_edit_store(edit, field_of(idx, FLAGS_OFF), 4, IN_USE);
}

static enum qcow2bm_code delete_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_delete(edit, "a", 1, err);
}

static enum qcow2bm_code delete_b(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_delete(edit, "b", 1, err);
}

static enum qcow2bm_code delete_c(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_delete(edit, "c", 1, err);
}

static enum qcow2bm_code delete_both(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = delete_a(edit, err);
	return code == QCOW2BM_OK ? delete_b(edit, err) : code;
}

static enum qcow2bm_code delete_all(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = delete_both(edit, err);
	return code == QCOW2BM_OK ? delete_c(edit, err) : code;
}

static enum qcow2bm_code rename_c(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_rename(edit, "c", 1, "d", 1, err);
}

static enum qcow2bm_code recover_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	const struct qcow2bm_recover_options options = {.size = sizeof(options),
							.method = QCOW2BM_RECOVER_FULL};
	const struct qcow2bm_promise *promise;
	return qcow2bm_edit_recover(edit, "a", 1, &options, &promise, NULL, err);
}

static void expect_refused(struct one_edit *edit, stage_fn *stage, const char *words)
{
	assert_int_equal(one_edit_run(edit, stage, 0), QCOW2BM_EIMAGE);
	assert_non_null(strstr(edit->err.sentence, words));
	assert_true(one_edit_is_untouched(edit));
}

static void expect_done(struct one_edit *edit, stage_fn *stage)
{
	assert_int_equal(one_edit_run(edit, stage, 0), QCOW2BM_OK);
	one_edit_free(edit);
}

/* A name may have been longer: every edit writes the directory anew, with zeros there. */
static void padding_is_not_wiped(void **state)
{
	(void)state;
	struct one_edit edit;
	build_three(&edit);
	one_edit_store(&edit, field_of(0, PADDING_OFF), 1, 'x');
	expect_refused(&edit, rename_c, "bitmap 'a' would look sound");
	expect_refused(&edit, delete_b, "bitmap 'a' would look sound");
	expect_done(&edit, delete_a);
	build_three(&edit);
	one_edit_store(&edit, field_of(0, PADDING_OFF + 6), 1, 1);
	expect_refused(&edit, rename_c, "bytes that fill its entry up");
	one_edit_free(&edit);
}

/* In use nobody believes it. */
static void padding_of_one_in_use_hides_nothing(void **state)
{
	(void)state;
	struct one_edit edit;
	build_three(&edit);
	one_edit_store(&edit, field_of(0, PADDING_OFF), 1, 'x');
	mark_in_use(&edit, 0);
	expect_done(&edit, rename_c);
}

/* A table for another disk speaks against all: it stays as long as one of the others does. */
static void evidence_is_not_deleted_alone(void **state)
{
	(void)state;
	struct one_edit edit;
	build_three(&edit);
	one_edit_store(&edit, field_of(0, TABLE_SIZE_OFF), 4, 2);
	expect_refused(&edit, delete_a, "what is left would look sound");
	expect_refused(&edit, delete_both, "what is left would look sound");
	assert_int_equal(one_edit_run(&edit, delete_b, 0), QCOW2BM_OK);
	expect_refused(&edit, delete_a, "what is left would look sound");
	one_edit_free(&edit);
	build_three(&edit);
	one_edit_store(&edit, field_of(0, TABLE_SIZE_OFF), 4, 2);
	expect_done(&edit, delete_all);
	build_three(&edit);
	one_edit_store(&edit, field_of(0, TABLE_SIZE_OFF), 4, 2);
	mark_in_use(&edit, 1);
	mark_in_use(&edit, 2);
	expect_done(&edit, delete_a);
}

/* a and b name one cluster. */
static void build_contested(struct one_edit *edit)
{
	build_three(edit);
	one_edit_store(edit, one_edit_entry_off(edit, 1, 1), 8,
		       one_edit_load(edit, one_edit_entry_off(edit, 0, 0), 8));
}

static void of_two_with_one_cluster_none_stays_alone(void **state)
{
	(void)state;
	struct one_edit edit;
	build_contested(&edit);
	expect_refused(&edit, delete_a, "bitmap 'b' would look sound");
	expect_refused(&edit, delete_b, "bitmap 'a' would look sound");
	assert_int_equal(one_edit_run(&edit, rename_c, 0), QCOW2BM_OK);
	expect_done(&edit, delete_both);
	build_contested(&edit);
	mark_in_use(&edit, 1);
	expect_done(&edit, delete_a);
}

/* What gets new bits lets go of the cluster, as well as what is deleted. */
static void new_bits_let_go_of_a_cluster(void **state)
{
	(void)state;
	struct one_edit edit;
	build_contested(&edit);
	mark_in_use(&edit, 0);
	expect_refused(&edit, recover_a, "bitmap 'b' would look sound");
	one_edit_free(&edit);
}

/* The directory moves with every edit. */
static void the_directory_in_a_bitmap_is_not_moved_away(void **state)
{
	(void)state;
	struct one_edit edit;
	build_three(&edit);
	one_edit_store(&edit, one_edit_entry_off(&edit, 0, 0), 8, field_of(0, 0));
	expect_refused(&edit, rename_c, "bitmap 'a' would look sound");
	expect_done(&edit, delete_a);
}

static bool has_problem(struct one_edit *edit, size_t idx, const char *code)
{
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	bool found = false;
	assert_int_equal(
		q2_image_open_damaged(&image, memory_storage_open(&edit->file), NULL),
		QCOW2BM_OK);
	assert_int_equal(qcow2bm_image_check(image, NULL, &report, NULL, NULL),
			 QCOW2BM_OK);
	for (size_t i = 0; i < qcow2bm_report_count(report); i++) {
		const struct qcow2bm_problem *problem = qcow2bm_report_problem(report, i);
		found |= problem->idx == idx && strcmp(problem->code, code) == 0;
	}
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
	return found;
}

/* Nor one whose length cannot be, so that nobody reads it. */
static void a_table_that_is_not_read_is_no_data_of_another(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct one_edit edit;
		build_three(&edit);
		uint64_t entry = one_edit_entry_off(&edit, 2, 0);
		uint64_t table = one_edit_load(&edit, field_of(1, 0), 8);
		if (i == 0)
			one_edit_store(&edit, field_of(0, 0), 8, table);
		else
			one_edit_store(&edit, field_of(1, TABLE_SIZE_OFF), 4, 0x800001);
		one_edit_store(&edit, entry, 8, table);
		assert_true(has_problem(&edit, 2, "overlap-bitmap"));
		if (i == 0)
			expect_refused(&edit, rename_c, "named more than once");
		one_edit_free(&edit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(padding_is_not_wiped),
		cmocka_unit_test(padding_of_one_in_use_hides_nothing),
		cmocka_unit_test(evidence_is_not_deleted_alone),
		cmocka_unit_test(of_two_with_one_cluster_none_stays_alone),
		cmocka_unit_test(new_bits_let_go_of_a_cluster),
		cmocka_unit_test(the_directory_in_a_bitmap_is_not_moved_away),
		cmocka_unit_test(a_table_that_is_not_read_is_no_data_of_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
