/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checking: nothing is wrong with whole images, all that is wrong with broken ones is told, and
 * the size of the window that references are counted in changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/one_edit.h"
#include "check/check.h"
#include "check/problems.h"

#define CLUSTER_BITS 9
#define BITS (2 * 4096 + 100)
#define INCOMPATIBLE_OFF 72
#define L1_OFF 40

static uint8_t some_bits[BITS];

static void build_two(struct one_edit *edit, unsigned flags)
{
	const struct build_bitmap bitmaps[] = {
		{.name = "a",
		 .name_bytes = 1,
		 .flags = flags,
		 .granularity_bits = 9,
		 .bits = some_bits},
		{.name = "b",
		 .name_bytes = 1,
		 .flags = 2,
		 .granularity_bits = 9,
		 .bits = some_bits},
	};
	const struct build build = {
		.seed = 12,
		.cluster_bits = CLUSTER_BITS,
		.refcount_order = 4,
		.virtual_bytes = (uint64_t)BITS << 9,
		.guest_clusters = 40,
		.snapshots = 2,
		.encryption_header = true,
		.gap_percent = 30,
		.bitmaps = bitmaps,
		.bitmap_count = 2,
	};
	for (uint64_t i = 0; i < BITS; i++)
		some_bits[i] = i % 3 == 0;
	build_image(&build, &edit->file);
}

static struct qcow2bm_image *open_damaged(struct one_edit *edit)
{
	struct qcow2bm_image *image = NULL;
	memset(&edit->err, 0, sizeof(edit->err));
	assert_int_equal(q2_image_open_damaged(&image, memory_storage_open(&edit->file),
					       &edit->err),
			 QCOW2BM_OK);
	return image;
}

/* "a:overlap-guest leaked-clusters": every finding but those of encrypted images. */
static void describe(const struct qcow2bm_report *report, char text[512])
{
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < qcow2bm_report_count(report); i++) {
		const struct qcow2bm_problem *problem = qcow2bm_report_problem(report, i);
		used += (size_t)snprintf(text + used, 512 - used, "%s%s%s",
					 i == 0 ? "" : " ",
					 problem->idx == QCOW2BM_NOT_FOUND ? ""
					 : problem->idx == 0               ? "a:"
									   : "b:",
					 problem->code);
		assert_true(used < 512);
	}
}

static void assert_same_set(const struct q2_clusters *a, const struct q2_clusters *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->runs[i].first, b->runs[i].first);
		assert_int_equal(a->runs[i].count, b->runs[i].count);
	}
}

static void assert_same_report(const struct qcow2bm_report *a,
			       const struct qcow2bm_report *b, size_t bitmaps)
{
	char text_a[512], text_b[512];
	describe(a, text_a);
	describe(b, text_b);
	assert_string_equal(text_a, text_b);
	for (size_t i = 0; i < qcow2bm_report_count(a); i++)
		assert_string_equal(qcow2bm_report_problem(a, i)->sentence,
				    qcow2bm_report_problem(b, i)->sentence);
	assert_memory_equal(&a->totals, &b->totals, sizeof(a->totals));
	assert_int_equal(a->guest_is_sound, b->guest_is_sound);
	for (size_t i = 0; i < bitmaps; i++)
		assert_int_equal(a->verdicts[i], b->verdicts[i]);
	assert_same_set(&a->low, &b->low);
	assert_same_set(&a->high, &b->high);
	assert_same_set(&a->leaked, &b->leaked);
	assert_same_set(&a->dropped, &b->dropped);
}

/* Checks with windows of all sizes; the report of the largest is *report when that is asked for,
 * and then the image stays open. */
static void check_windows(struct one_edit *edit, const char *findings,
			  struct qcow2bm_image **image, struct qcow2bm_report **report)
{
	static const unsigned shifts[] = {10, 6, 4, 3};
	struct qcow2bm_image *opened = open_damaged(edit);
	struct qcow2bm_report *whole;
	char found[512];
	assert_int_equal(qcow2bm_image_check(opened, NULL, &whole, NULL, &edit->err),
			 QCOW2BM_OK);
	describe(whole, found);
	assert_string_equal(found, findings);
	for (size_t i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++) {
		struct qcow2bm_report *parts;
		assert_int_equal(
			q2_check_run(opened, NULL, shifts[i], &parts, NULL, &edit->err),
			QCOW2BM_OK);
		assert_same_report(whole, parts, qcow2bm_bitmap_count(opened));
		qcow2bm_report_free(parts);
	}
	if (report != NULL) {
		*report = whole;
		*image = opened;
		return;
	}
	qcow2bm_report_free(whole);
	qcow2bm_image_close(opened);
}

static void check_is(struct one_edit *edit, const char *findings)
{
	check_windows(edit, findings, NULL, NULL);
}

static uint64_t data_of(const struct one_edit *edit, size_t bitmap, uint64_t idx)
{
	return one_edit_load(edit, one_edit_entry_off(edit, bitmap, idx), 8);
}

static bool has(const struct q2_clusters *set, uint64_t cluster)
{
	return q2_clusters_overlap(set, cluster, 1, NULL);
}

static void whole_images_have_no_problems(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= 6; order++)
		for (unsigned kind = 0; kind < 4; kind++) {
			struct one_edit edit = {0};
			const struct build_bitmap bitmap = {.name = "a",
							    .name_bytes = 1,
							    .flags = 2,
							    .granularity_bits = 9,
							    .bits = some_bits};
			const struct build build = {
				.seed = 100 + order,
				.cluster_bits = kind == 1 ? 16 : 9 + kind,
				.refcount_order = order,
				.virtual_bytes = (uint64_t)BITS << 9,
				.extended_l2 = kind == 1,
				.guest_clusters = 30,
				/* one bit counts no snapshots */
				.snapshots = order < 2 ? 0 : kind,
				.encryption_header = kind == 2,
				.gap_percent = 20,
				.bitmaps = &bitmap,
				.bitmap_count = kind == 3 ? 0 : 1,
			};
			build_image(&build, &edit.file);
			check_is(&edit, "");
			one_edit_free(&edit);
		}
}

static void refcounts_that_are_wrong(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	build_two(&edit, 2);
	uint64_t low = data_of(&edit, 0, 0) >> CLUSTER_BITS;
	uint64_t high = data_of(&edit, 1, 1) >> CLUSTER_BITS;
	uint64_t leak = one_edit_find(&edit, INSPECT_FREE);
	one_edit_count(&edit, low, 0);
	one_edit_count(&edit, high, 3);
	one_edit_count(&edit, leak, 2);
	check_windows(&edit,
		      "a:refcount-zero foreign-writer leaked-clusters b:refcount-high",
		      &image, &report);
	assert_int_equal(report->totals.corruptions, 1);
	assert_int_equal(report->totals.leaked_clusters, 2);
	assert_true(report->guest_is_sound);
	assert_true(has(&report->low, low) && q2_clusters_total(&report->low) == 1);
	assert_true(has(&report->high, high) && q2_clusters_total(&report->high) == 1);
	assert_true(has(&report->leaked, leak) &&
		    q2_clusters_total(&report->leaked) == 1);
	assert_int_equal(report->verdicts[0], Q2_VERDICT_KEEP);
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

static void data_that_is_the_guests(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	build_two(&edit, 2);
	uint64_t own = data_of(&edit, 0, 0) >> CLUSTER_BITS;
	uint64_t rest = data_of(&edit, 0, 1) >> CLUSTER_BITS;
	uint64_t guest = one_edit_find(&edit, INSPECT_GUEST);
	one_edit_store(&edit, one_edit_entry_off(&edit, 0, 0), 8, guest << CLUSTER_BITS);
	one_edit_count(&edit, rest, 0);
	check_windows(&edit,
		      "a:overlap-guest a:refcount-zero foreign-writer leaked-clusters",
		      &image, &report);
	assert_int_equal(report->verdicts[0], Q2_VERDICT_DROP);
	assert_int_equal(report->verdicts[1], Q2_VERDICT_KEEP);
	/* Of a bitmap that goes no refcount is raised, and all that is its own becomes free:
	 * what nothing refers to by now, too; never what the guest has. */
	assert_int_equal(report->low.count, 0);
	assert_true(has(&report->leaked, own));
	assert_true(has(&report->dropped, data_of(&edit, 0, 2) >> CLUSTER_BITS));
	assert_false(has(&report->leaked, guest));
	assert_false(has(&report->leaked, data_of(&edit, 1, 0) >> CLUSTER_BITS));
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

static void data_that_two_bitmaps_have(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit, 2);
	one_edit_store(&edit, one_edit_entry_off(&edit, 0, 0), 8, data_of(&edit, 1, 2));
	check_is(&edit, "a:overlap-bitmap b:overlap-bitmap leaked-clusters");
	one_edit_store(&edit, one_edit_entry_off(&edit, 0, 0), 8, data_of(&edit, 0, 1));
	check_is(&edit, "a:overlap-itself leaked-clusters");
	uint64_t l2 = one_edit_find(&edit, INSPECT_MAPPING);
	one_edit_store(&edit, one_edit_entry_off(&edit, 0, 0), 8, l2 << CLUSTER_BITS);
	check_is(&edit, "a:overlap-metadata leaked-clusters");
	one_edit_free(&edit);
}

static void several_problems_of_one_bitmap(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit, 2);
	struct qcow2bm_image *image = open_damaged(&edit);
	uint64_t off = image->directory.bitmaps[0].off;
	qcow2bm_image_close(image);
	one_edit_store(&edit, off + 16, 1, 7);    /* type */
	one_edit_store(&edit, off + 12, 4, 0x11); /* flags */
	one_edit_store(&edit, off + 17, 1, 40);   /* granularity_bits */
	one_edit_store(&edit, off + 25, 1, 1);    /* padding */
	one_edit_store(&edit, one_edit_entry_off(&edit, 0, 0), 8, 0x3ff);
	check_is(&edit, "a:flags-reserved a:type-unknown a:granularity-unsupported "
			"a:padding-nonzero a:table-reserved a:in-use-stale "
			"leaked-clusters");
	one_edit_free(&edit);
}

static void damage_of_the_guest_is_no_failure(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit, 2);
	uint64_t l1 = one_edit_load(&edit, L1_OFF, 8);
	uint64_t entry = one_edit_load(&edit, l1, 8);
	/* Far behind the end; the flag that its refcount is 1, but no place. */
	const uint64_t bad[] = {entry + ((uint64_t)1 << 50), (uint64_t)1 << 63};
	for (size_t i = 0; i < 2; i++) {
		struct qcow2bm_report *report;
		one_edit_store(&edit, l1, 8, bad[i]);
		struct qcow2bm_image *image = open_damaged(&edit);
		assert_int_equal(
			qcow2bm_image_check(image, NULL, &report, NULL, &edit.err),
			QCOW2BM_OK);
		assert_string_equal(qcow2bm_report_problem(report, 0)->code,
				    "guest-l1-entry");
		assert_false(report->guest_is_sound);
		assert_int_equal(report->verdicts[0], Q2_VERDICT_KEEP);
		qcow2bm_report_free(report);
		qcow2bm_image_close(image);
	}
	one_edit_store(&edit, l1, 8, entry);
	one_edit_store(&edit, INCOMPATIBLE_OFF, 8, 2 | 1);
	check_is(&edit, "image-corrupt image-dirty");
	one_edit_free(&edit);
}

static void in_use_by_whom(void **state)
{
	(void)state;
	static const struct {
		enum q2_writer writer;
		const char *findings;
	} cases[] = {
		{Q2_WRITER_NONE, "a:in-use-stale"},
		{Q2_WRITER_LIVE, "a:in-use-live"},
		{Q2_WRITER_IDLE, "a:in-use-unknown"},
		{Q2_WRITER_UNKNOWN, "a:in-use-unknown"},
	};
	struct one_edit edit = {0};
	build_two(&edit, 3);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qcow2bm_image *image = open_damaged(&edit);
		struct qcow2bm_report *report;
		char found[512];
		image->storage->writer = cases[i].writer;
		assert_int_equal(qcow2bm_image_check(image, NULL, &report, NULL, NULL),
				 QCOW2BM_OK);
		describe(report, found);
		assert_string_equal(found, cases[i].findings);
		qcow2bm_report_free(report);
		qcow2bm_image_close(image);
	}
	one_edit_free(&edit);
}

struct calls {
	unsigned left; /* before it is interrupted */
	uint64_t done, total;
};

static bool interrupt(void *opaque)
{
	struct calls *calls = opaque;
	return calls->left-- == 0;
}

static void note_progress(void *opaque, uint64_t done_bytes, uint64_t total_bytes)
{
	struct calls *calls = opaque;
	assert_true(done_bytes >= calls->done && done_bytes <= total_bytes);
	calls->done = done_bytes;
	calls->total = total_bytes;
}

/* It is asked at the first look and when there is something to tell; how often from then on,
 * test_watch knows. */
static void interruption_and_progress(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit, 2);
	struct qcow2bm_image *image = open_damaged(&edit);
	for (unsigned n = 0; n < 3; n++) {
		struct calls calls = {.left = n < 2 ? n : UINT_MAX};
		struct qcow2bm_report *report = NULL;
		struct qcow2bm_watch watch = QCOW2BM_WATCH_INIT;
		watch.interrupted = interrupt;
		watch.progress = note_progress;
		watch.opaque = &calls;
		enum qcow2bm_code code =
			qcow2bm_image_check(image, NULL, &report, &watch, NULL);
		assert_int_equal(code, n < 2 ? QCOW2BM_EINTERRUPTED : QCOW2BM_OK);
		assert_int_equal(report != NULL, code == QCOW2BM_OK);
		assert_true(n < 2 || (calls.total != 0 && calls.done == calls.total));
		qcow2bm_report_free(report);
	}
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

static void quick_counts_bitmaps_alone(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_two(&edit, 2);
	one_edit_count(&edit, one_edit_find(&edit, INSPECT_FREE), 1);
	one_edit_store(&edit, one_edit_entry_off(&edit, 0, 0), 8, data_of(&edit, 1, 2));
	struct qcow2bm_image *image = open_damaged(&edit);
	const struct qcow2bm_check_options options = {
		.size = sizeof(struct qcow2bm_check_options),
		.flags = QCOW2BM_CHECK_QUICK};
	struct qcow2bm_report *report;
	char found[512];
	assert_int_equal(qcow2bm_image_check(image, &options, &report, NULL, NULL),
			 QCOW2BM_OK);
	describe(report, found);
	assert_string_equal(found, "a:overlap-bitmap b:overlap-bitmap");
	assert_false(report->totals.walked);
	assert_int_equal(report->leaked.count, 0);
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_images_have_no_problems),
		cmocka_unit_test(refcounts_that_are_wrong),
		cmocka_unit_test(data_that_is_the_guests),
		cmocka_unit_test(data_that_two_bitmaps_have),
		cmocka_unit_test(several_problems_of_one_bitmap),
		cmocka_unit_test(damage_of_the_guest_is_no_failure),
		cmocka_unit_test(in_use_by_whom),
		cmocka_unit_test(interruption_and_progress),
		cmocka_unit_test(quick_counts_bitmaps_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
