/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What speaks against bitmaps that read well: leaked clusters that may be theirs, clusters that are
 * free by their refcounts; and who else may own what nothing refers to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/one_edit.h"
#include "check/check.h"
#include "../support/copies.h"

#define CLUSTER_BITS 9
#define BITS (2 * 4096 + 100) /* three clusters of data, all of them with bits */
#define COMPATIBLE_OFF 80
#define AUTOCLEAR_OFF 88

static uint8_t some_bits[BITS];

static void build_two(struct one_edit *edit, const struct build_extension *unknown,
		      unsigned header_bytes)
{
	const struct build_bitmap bitmaps[] = {
		{"a", 1, BUILD_FLAG_AUTO, 9, NULL, 0, some_bits},
		{"b", 1, BUILD_FLAG_AUTO, 9, NULL, 0, some_bits},
	};
	struct build build = {
		.seed = 31,
		.cluster_bits = CLUSTER_BITS,
		.refcount_order = 4,
		.header_bytes = header_bytes,
		.virtual_bytes = (uint64_t)BITS << 9,
		.guest_clusters = 20,
		.gap_percent = 30,
		.bitmaps = bitmaps,
		.bitmap_count = 2,
	};
	if (unknown != NULL)
		build.before[0] = *unknown;
	for (size_t i = 0; i < BITS; i++)
		some_bits[i] = i % 3 == 0;
	memset(edit, 0, sizeof(*edit));
	build_image(&build, &edit->file);
}

/* What can be done about the finding; -1 when a check does not have it. */
static int cure_of(struct one_edit *edit, const char *code)
{
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	int cure = -1;
	assert_int_equal(
		q2_image_open_damaged(&image, memory_storage_open(&edit->file), NULL),
		QCOW2BM_OK);
	assert_int_equal(qcow2bm_image_check(image, NULL, &report, NULL, NULL),
			 QCOW2BM_OK);
	for (size_t i = 0; i < qcow2bm_report_count(report); i++)
		if (strcmp(qcow2bm_report_problem(report, i)->code, code) == 0)
			cure = (int)qcow2bm_report_problem(report, i)->cure;
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
	return cure;
}

static uint64_t data_of(const struct one_edit *edit, size_t bitmap, uint64_t idx)
{
	return one_edit_load(edit, one_edit_entry_off(edit, bitmap, idx), 8);
}

static uint64_t directory_of(const struct one_edit *edit)
{
	struct inspect inspect;
	assert_true(inspect_load(&inspect, edit->file.bytes, edit->file.length));
	uint64_t off = inspect_number(&inspect, inspect.payload_off + 16, 8);
	inspect_free(&inspect);
	return off;
}

/* An entry without data, and leaked bits: they may have stood there. */
static void an_entry_that_lost_its_data(void **state)
{
	(void)state;
	for (uint64_t entry = 0; entry < 2; entry++) {
		struct one_edit edit;
		build_two(&edit, NULL, 112);
		one_edit_count(&edit, one_edit_find(&edit, INSPECT_FREE), 1);
		assert_int_equal(cure_of(&edit, "leaked-clusters"), QCOW2BM_CURE_MEND);
		one_edit_store(&edit, one_edit_entry_off(&edit, 0, 1), 8, entry);
		assert_int_equal(cure_of(&edit, "leaked-clusters"), QCOW2BM_CURE_CHOOSE);
		one_edit_free(&edit);
	}
}

/* An entry leads to data of another bitmap, whose own entry is damaged. */
static void a_place_that_another_had(void **state)
{
	(void)state;
	static const uint64_t damages[] = {(uint64_t)1 << 40, (uint64_t)0x101 << 40};
	for (size_t i = 0; i < 2; i++) {
		struct one_edit edit;
		build_two(&edit, NULL, 112);
		uint64_t other = data_of(&edit, 1, 0);
		one_edit_store(&edit, one_edit_entry_off(&edit, 0, 0), 8, other);
		one_edit_store(&edit, one_edit_entry_off(&edit, 1, 0), 8,
			       other ^ damages[i]);
		assert_int_equal(cure_of(&edit, "leaked-clusters"), QCOW2BM_CURE_CHOOSE);
		one_edit_free(&edit);
	}
}

/* What is lost is one damaged byte away from where it is said to be: nobody else has lost it. */
static void a_place_with_one_damaged_byte(void **state)
{
	(void)state;
	static const struct {
		uint64_t damage;
		bool more; /* another leak, which the damaged place does not explain */
		int cure;
	} cases[] = {{(uint64_t)1 << 40, false, QCOW2BM_CURE_MEND},
		     {(uint64_t)0x101 << 40, false, QCOW2BM_CURE_CHOOSE},
		     {(uint64_t)1 << 40, true, QCOW2BM_CURE_CHOOSE},
		     /* As near to what the other bitmap has. */
		     {(uint64_t)1 << 8, false, QCOW2BM_CURE_CHOOSE}};
	for (size_t i = 0; i < 8; i++) {
		struct one_edit edit;
		build_two(&edit, NULL, 112);
		if (cases[i % 4].more)
			one_edit_count(&edit, one_edit_find(&edit, INSPECT_FREE), 1);
		uint64_t off = i < 4 ? one_edit_entry_off(&edit, 1, 0)
				     : directory_of(&edit) + 32;
		one_edit_store(&edit, off, 8,
			       one_edit_load(&edit, off, 8) ^ cases[i % 4].damage);
		assert_int_equal(cure_of(&edit, "leaked-clusters"), cases[i % 4].cure);
		one_edit_free(&edit);
	}
}

/* The table that one damaged byte leads away from names data of another bitmap: it may not be the
 * one that was lost. */
static void a_lost_table_that_names_what_another_has(void **state)
{
	(void)state;
	for (uint64_t shared = 0; shared < 2; shared++) {
		struct one_edit edit;
		build_two(&edit, NULL, 112);
		uint64_t entry = one_edit_entry_off(&edit, 1, 0);
		uint64_t place = directory_of(&edit) + 32;
		one_edit_count(&edit, data_of(&edit, 1, 0) >> CLUSTER_BITS, 0);
		one_edit_store(&edit, entry, 8, shared ? data_of(&edit, 0, 0) : 0);
		one_edit_store(&edit, place, 8,
			       one_edit_load(&edit, place, 8) ^ (uint64_t)1 << 40);
		assert_int_equal(cure_of(&edit, "leaked-clusters"),
				 shared ? QCOW2BM_CURE_CHOOSE : QCOW2BM_CURE_MEND);
		one_edit_free(&edit);
	}
}

/* A table over the remains of an old directory, and a bitmap that has its own data for its table. */
static void a_table_that_reads_as_a_directory(void **state)
{
	(void)state;
	struct one_edit edit;
	static uint8_t bits[4096];
	const struct build_bitmap bitmap = {"a", 1, BUILD_FLAG_AUTO, 9, NULL, 0, bits};
	const struct build build = {.seed = 31,
				    .cluster_bits = CLUSTER_BITS,
				    .refcount_order = 4,
				    .virtual_bytes = sizeof(bits) << 9,
				    .bitmaps = &bitmap,
				    .bitmap_count = 1};
	bits[1000] = 1;
	memset(&edit, 0, sizeof(edit));
	build_image(&build, &edit.file);
	uint64_t directory = directory_of(&edit), entry = one_edit_entry_off(&edit, 0, 0);
	memcpy(edit.file.bytes + entry + 8, edit.file.bytes + directory + 8, 24);
	assert_int_equal(cure_of(&edit, "leaked-clusters"), -1);
	one_edit_store(&edit, directory, 8, data_of(&edit, 0, 0));
	assert_int_equal(cure_of(&edit, "leaked-clusters"), QCOW2BM_CURE_CHOOSE);
	one_edit_free(&edit);
}

/* A leaked table that names what a bitmap has: either may be the bitmap's. */
static void a_table_that_nothing_leads_to(void **state)
{
	(void)state;
	struct one_edit edit;
	build_two(&edit, NULL, 112);
	uint64_t old = one_edit_entry_off(&edit, 0, 0);
	uint64_t copy = one_edit_find(&edit, INSPECT_FREE) << CLUSTER_BITS;
	memcpy(edit.file.bytes + copy, edit.file.bytes + old, 1 << CLUSTER_BITS);
	one_edit_count(&edit, copy >> CLUSTER_BITS, 1);
	one_edit_store(&edit, directory_of(&edit), 8, copy);
	assert_int_equal(cure_of(&edit, "leaked-clusters"), QCOW2BM_CURE_CHOOSE);
	one_edit_free(&edit);
}

/* Who counts refcounts from the guest's tables alone may have written to the disk. */
static void clusters_that_are_free_by_their_refcounts(void **state)
{
	(void)state;
	struct one_edit edit;
	build_two(&edit, NULL, 112);
	assert_int_equal(cure_of(&edit, "foreign-writer"), -1);
	one_edit_count(&edit, directory_of(&edit) >> CLUSTER_BITS, 0);
	assert_int_equal(cure_of(&edit, "foreign-writer"), QCOW2BM_CURE_CHOOSE);
	one_edit_count(&edit, directory_of(&edit) >> CLUSTER_BITS, 1);
	one_edit_count(&edit, data_of(&edit, 1, 2) >> CLUSTER_BITS, 0);
	assert_int_equal(cure_of(&edit, "foreign-writer"), QCOW2BM_CURE_CHOOSE);
	one_edit_free(&edit);
}

/* Of an entry that the extension does not count nobody need have counted the clusters. */
static void an_entry_that_is_not_counted(void **state)
{
	(void)state;
	struct one_edit edit;
	struct inspect inspect;
	build_two(&edit, NULL, 112);
	uint64_t free_data = data_of(&edit, 1, 2) >> CLUSTER_BITS;
	assert_true(inspect_load(&inspect, edit.file.bytes, edit.file.length));
	one_edit_store(&edit, inspect.payload_off, 4, 1);
	inspect_free(&inspect);
	one_edit_count(&edit, free_data, 0);
	assert_int_not_equal(cure_of(&edit, "bitmap-count"), -1);
	assert_int_equal(cure_of(&edit, "foreign-writer"), -1);
	one_edit_free(&edit);
}

/* An extension, a field behind the known ones, a compatible bit, an autoclear bit. */
static void an_owner_that_nobody_knows(void **state)
{
	(void)state;
	static const struct build_extension extension = {0x6f776e72, 16};
	for (unsigned i = 0; i < 4; i++) {
		struct one_edit edit;
		build_two(&edit, i == 0 ? &extension : NULL, i == 1 ? 120 : 112);
		if (i == 2)
			one_edit_store(&edit, COMPATIBLE_OFF, 8, 1 << 5);
		if (i == 3)
			one_edit_store(&edit, AUTOCLEAR_OFF, 8, 1 << 9 | 1);
		one_edit_count(&edit, one_edit_find(&edit, INSPECT_FREE), 1);
		assert_int_equal(cure_of(&edit, "leaked-unowned"), QCOW2BM_CURE_NOBODY);
		one_edit_store(&edit, one_edit_entry_off(&edit, 0, 1), 8, 0);
		assert_int_equal(cure_of(&edit, "leaked-unowned"), QCOW2BM_CURE_CHOOSE);
		one_edit_free(&edit);
	}
}

/* An entry without a name is no bitmap: what it claims is the other's. */
static void an_entry_without_a_name(void **state)
{
	(void)state;
	struct one_edit edit;
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	struct inspect inspect;
	build_two(&edit, NULL, 112);
	uint64_t directory = directory_of(&edit);
	assert_true(inspect_load(&inspect, edit.file.bytes, edit.file.length));
	one_edit_store(&edit, inspect.payload_off + 8, 8, 32 + 24);
	inspect_free(&inspect);
	one_edit_store(&edit, directory + 32 + 18, 2, 0);
	one_edit_store(&edit, directory + 32, 8, one_edit_load(&edit, directory, 8));
	assert_int_equal(
		q2_image_open_damaged(&image, memory_storage_open(&edit.file), NULL),
		QCOW2BM_OK);
	assert_int_equal(qcow2bm_image_check(image, NULL, &report, NULL, NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_bitmap_count(image), 2);
	assert_int_equal(report->verdicts[0], Q2_VERDICT_KEEP);
	assert_int_equal(report->verdicts[1], Q2_VERDICT_DROP);
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

/* ---- What a repair leaves counted --------------------------------------------------- */

static void repair(struct one_edit *edit, unsigned flags)
{
	struct qcow2bm_image *image;
	struct qcow2bm_edit *staged;
	struct qcow2bm_report *report;
	const struct qcow2bm_repair_options options = {
		.size = sizeof(struct qcow2bm_repair_options), .flags = flags};
	assert_int_equal(
		q2_image_open_damaged(&image, memory_storage_open(&edit->file), NULL),
		QCOW2BM_OK);
	assert_int_equal(qcow2bm_image_check(image, NULL, &report, NULL, NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_begin(&staged, image, NULL), QCOW2BM_OK);
	if (qcow2bm_edit_repair(staged, report, &options, &edit->err) != QCOW2BM_OK ||
	    commit_copied(staged, NULL, &edit->result, NULL, &edit->err) != QCOW2BM_OK)
		fail_msg("%s", edit->err.sentence);
	qcow2bm_edit_end(staged);
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
}

/* Makes a bitmap that is dropped, and says which of its clusters nothing leads to then. */
static uint64_t break_b(struct one_edit *edit)
{
	uint64_t data = data_of(edit, 1, 0);
	one_edit_store(edit, one_edit_entry_off(edit, 1, 0), 8, data ^ (uint64_t)1 << 40);
	return data >> CLUSTER_BITS;
}

static void what_is_left_of_a_damaged_bitmap(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct one_edit edit;
		build_two(&edit, NULL, 112);
		uint64_t left = break_b(&edit);
		repair(&edit, i == 0 ? 0 : QCOW2BM_REPAIR_DROP_ALL);
		assert_int_equal(one_edit_refcount(&edit, left), i == 0 ? 1 : 0);
		one_edit_free(&edit);
	}
}

/* The count may know of bitmaps that the directory has no more. */
static void what_may_be_left_of_others(void **state)
{
	(void)state;
	struct one_edit edit;
	struct inspect inspect;
	build_two(&edit, NULL, 112);
	assert_true(inspect_load(&inspect, edit.file.bytes, edit.file.length));
	uint64_t leak = one_edit_find(&edit, INSPECT_FREE);
	one_edit_count(&edit, leak, 1);
	one_edit_store(&edit, inspect.payload_off, 4, 3);
	inspect_free(&inspect);
	repair(&edit, QCOW2BM_REPAIR_TRUST_BITMAPS);
	assert_int_equal(one_edit_refcount(&edit, leak), 1);
	one_edit_free(&edit);
}

/* Leaked, counted too high or behind the end of the file: it may be the unknown owner's. */
static void what_an_unknown_owner_may_have(void **state)
{
	(void)state;
	static const struct build_extension extension = {0x6f776e72, 16};
	struct one_edit edit;
	build_two(&edit, &extension, 112);
	uint64_t high = data_of(&edit, 0, 0) >> CLUSTER_BITS, left = break_b(&edit);
	uint64_t behind = (edit.file.length >> CLUSTER_BITS) + 9;
	one_edit_count(&edit, high, 3);
	one_edit_count(&edit, behind, 1);
	repair(&edit, 0);
	assert_int_equal(one_edit_refcount(&edit, left), 1);
	assert_int_equal(one_edit_refcount(&edit, high), 3);
	assert_int_equal(one_edit_refcount(&edit, behind), 1);
	one_edit_free(&edit);
}

/* Whoever writes must clear an autoclear bit that it does not know. Its owner's extension stays, and
 * tells the next repair of it; where there is none, nothing does. */
static void what_the_owner_of_a_cleared_bit_may_have(void **state)
{
	(void)state;
	static const struct build_extension extension = {0x6f776e72, 16};
	for (unsigned i = 0; i < 2; i++) {
		struct one_edit edit;
		build_two(&edit, i == 0 ? &extension : NULL, 112);
		uint64_t leak = one_edit_find(&edit, INSPECT_FREE);
		one_edit_count(&edit, leak, 1);
		one_edit_store(&edit, AUTOCLEAR_OFF, 8, 1 << 9 | 1);
		break_b(&edit);
		repair(&edit, QCOW2BM_REPAIR_TRUST_BITMAPS);
		assert_int_equal(one_edit_load(&edit, AUTOCLEAR_OFF, 8), 1);
		assert_int_equal(one_edit_refcount(&edit, leak), 1);
		repair(&edit, QCOW2BM_REPAIR_TRUST_BITMAPS);
		assert_int_equal(one_edit_refcount(&edit, leak), i == 0);
		one_edit_free(&edit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_that_lost_its_data),
		cmocka_unit_test(a_place_that_another_had),
		cmocka_unit_test(a_place_with_one_damaged_byte),
		cmocka_unit_test(a_lost_table_that_names_what_another_has),
		cmocka_unit_test(a_table_that_nothing_leads_to),
		cmocka_unit_test(a_table_that_reads_as_a_directory),
		cmocka_unit_test(clusters_that_are_free_by_their_refcounts),
		cmocka_unit_test(an_entry_that_is_not_counted),
		cmocka_unit_test(an_owner_that_nobody_knows),
		cmocka_unit_test(an_entry_without_a_name),
		cmocka_unit_test(what_is_left_of_a_damaged_bitmap),
		cmocka_unit_test(what_may_be_left_of_others),
		cmocka_unit_test(what_an_unknown_owner_may_have),
		cmocka_unit_test(what_the_owner_of_a_cleared_bit_may_have),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
