/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was made before an image was edited or closed is refused afterwards, by every call; and
 * indexes that nobody has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "../support/one_edit.h"
#include "image/image.h"
#include "../support/copies.h"

#define BITS 200

static uint8_t some_bits[BITS];

static const struct build_bitmap bitmaps[] = {
	{.name = "a", .name_bytes = 1, .granularity_bits = 12, .bits = some_bits},
	{.name = "b",
	 .name_bytes = 1,
	 .flags = 2,
	 .granularity_bits = 12,
	 .bits = some_bits},
	{.name = "c", .name_bytes = 1, .granularity_bits = 13},
};

static struct memory_file files[2];
static struct qcow2bm_image *images[2];

static void build_both(void)
{
	const struct build build = {
		.seed = 7,
		.cluster_bits = 12,
		.refcount_order = 4,
		.virtual_bytes = (uint64_t)BITS << 12,
		.guest_clusters = 5,
		.bitmaps = bitmaps,
		.bitmap_count = 3,
	};
	for (unsigned i = 0; i < BITS; i++)
		some_bits[i] = i % 7 == 0;
	for (size_t i = 0; i < 2; i++) {
		build_image(&build, &files[i]);
		assert_int_equal(q2_image_open_damaged(&images[i],
						       memory_storage_open(&files[i]),
						       NULL),
				 QCOW2BM_OK);
		/* For every call: what a repair needs is no hindrance to other edits here. */
		images[i]->is_tolerant = false;
	}
}

static void forget_both(void)
{
	for (size_t i = 0; i < 2; i++) {
		qcow2bm_image_close(images[i]);
		images[i] = NULL;
		memory_file_free(&files[i]);
	}
}

static struct qcow2bm_edit *begin(struct qcow2bm_image *image)
{
	struct qcow2bm_edit *edit = NULL;
	assert_int_equal(qcow2bm_edit_begin(&edit, image, NULL), QCOW2BM_OK);
	return edit;
}

/* One edit from beginning to end. */
static void delete_a(struct qcow2bm_image *image)
{
	struct qcow2bm_edit *edit = begin(image);
	assert_int_equal(qcow2bm_edit_delete(edit, "a", 1, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_commit(edit, NULL, NULL, NULL, NULL), QCOW2BM_OK);
	qcow2bm_edit_end(edit);
}

static struct qcow2bm_report *check(struct qcow2bm_image *image)
{
	struct qcow2bm_report *report = NULL;
	assert_int_equal(qcow2bm_image_check(image, NULL, &report, NULL, NULL),
			 QCOW2BM_OK);
	return report;
}

static int ignore_carved(void *opaque, const struct qcow2bm_carved *carved)
{
	(void)opaque;
	(void)carved;
	return 0;
}

static void expect(enum qcow2bm_code code, const struct qcow2bm_error *err,
		   const char *words)
{
	if (code != QCOW2BM_EINVAL || strstr(err->sentence, words) == NULL)
		fail_msg("code %d, not EINVAL with '%s': %s", code, words, err->sentence);
}

#define EXPECT(call, words)                     \
	do {                                    \
		struct qcow2bm_error err = {0}; \
		enum qcow2bm_code code = call;  \
		expect(code, &err, words);      \
	} while (0)

/* Every call that takes an edit. */
static void expect_outdated(struct qcow2bm_edit *edit, struct qcow2bm_report *report,
			    const char *words)
{
	static const struct qcow2bm_recover_options recover = {
		.size = sizeof(struct qcow2bm_recover_options), .accept_unsafe = true};
	static const struct qcow2bm_carved_options carved = QCOW2BM_CARVED_OPTIONS_INIT;
	struct qcow2bm_plan plan;
	struct qcow2bm_change change;
	EXPECT(qcow2bm_edit_add(edit, "e", 1, 12, true, &err), words);
	EXPECT(qcow2bm_edit_delete(edit, "b", 1, &err), words);
	EXPECT(qcow2bm_edit_rename(edit, "b", 1, "f", 1, &err), words);
	EXPECT(qcow2bm_edit_clear(edit, "b", 1, &err), words);
	EXPECT(qcow2bm_edit_enable(edit, "b", 1, &err), words);
	EXPECT(qcow2bm_edit_disable(edit, "b", 1, &err), words);
	EXPECT(qcow2bm_edit_merge(edit, "c", 1, NULL, "b", 1, &err), words);
	EXPECT(qcow2bm_edit_recover(edit, "b", 1, &recover, NULL, NULL, &err), words);
	EXPECT(qcow2bm_edit_repair(edit, report, NULL, &err), words);
	EXPECT(qcow2bm_edit_recover_carved(edit, report, &carved, "g", 1, NULL, &err),
	       words);
	EXPECT(plan_copied(edit, 0, &plan, NULL, &err), words);
	EXPECT(qcow2bm_edit_commit(edit, NULL, NULL, NULL, &err), words);
	change = *qcow2bm_edit_change(edit, 0);
	assert_int_equal(change.kind, QCOW2BM_CHANGE_NONE);
	assert_null(change.old_name);
}

static void an_edit_is_over_when_another_is_committed(void **state)
{
	(void)state;
	build_both();
	struct qcow2bm_edit *late = begin(images[0]);
	struct qcow2bm_report *report = check(images[0]);
	struct qcow2bm_plan plan;
	assert_int_equal(qcow2bm_edit_delete(late, "b", 1, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_add(late, "e", 1, 12, true, NULL), QCOW2BM_OK);
	assert_int_equal(plan_copied(late, 0, &plan, NULL, NULL), QCOW2BM_OK);
	delete_a(images[0]);
	expect_outdated(late, report, "the edit was staged before the last commit");
	qcow2bm_edit_end(late);
	qcow2bm_report_free(report);
	assert_int_equal(qcow2bm_bitmap_count(images[0]), 2);
	assert_int_equal(qcow2bm_bitmap_find(images[0], "b", 1), 0);
	forget_both();
}

static void an_edit_is_over_when_its_image_is_closed(void **state)
{
	(void)state;
	build_both();
	struct qcow2bm_edit *late = begin(images[0]);
	struct qcow2bm_report *report = check(images[0]);
	assert_int_equal(qcow2bm_edit_delete(late, "b", 1, NULL), QCOW2BM_OK);
	qcow2bm_image_close(images[0]);
	images[0] = NULL;
	expect_outdated(late, report, "the edit was staged of an image that is closed");
	qcow2bm_edit_end(late);
	qcow2bm_report_free(report);
	forget_both();
}

static void the_edit_that_was_committed_goes_on(void **state)
{
	(void)state;
	build_both();
	struct qcow2bm_edit *edit = begin(images[0]);
	assert_int_equal(qcow2bm_edit_delete(edit, "a", 1, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_commit(edit, NULL, NULL, NULL, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_delete(edit, "a", 1, NULL), QCOW2BM_ENOTFOUND);
	assert_int_equal(qcow2bm_edit_delete(edit, "b", 1, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_commit(edit, NULL, NULL, NULL, NULL), QCOW2BM_OK);
	qcow2bm_edit_end(edit);
	assert_int_equal(qcow2bm_bitmap_count(images[0]), 1);
	forget_both();
}

/* What changes nothing ends nothing. */
static void an_edit_of_nothing_leaves_the_others(void **state)
{
	(void)state;
	build_both();
	struct qcow2bm_edit *late = begin(images[0]), *nothing = begin(images[0]);
	assert_int_equal(qcow2bm_edit_delete(late, "b", 1, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_disable(nothing, "a", 1, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_commit(nothing, NULL, NULL, NULL, NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_commit(late, NULL, NULL, NULL, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_bitmap_find(images[0], "b", 1), QCOW2BM_NOT_FOUND);
	qcow2bm_edit_end(late);
	qcow2bm_edit_end(nothing);
	forget_both();
}

/* ---- Sources ---- */

static void a_source_is_over_when_its_image_changes(void **state)
{
	(void)state;
	for (int is_closed = 0; is_closed < 2; is_closed++) {
		build_both();
		struct qcow2bm_edit *edit = begin(images[0]);
		struct qcow2bm_plan plan;
		assert_int_equal(
			qcow2bm_edit_merge(edit, "c", 1, images[1], "b", 1, NULL),
			QCOW2BM_OK);
		if (is_closed) {
			qcow2bm_image_close(images[1]);
			images[1] = NULL;
		} else {
			delete_a(images[1]);
		}
		const char *words =
			is_closed ? "a source of bits was staged of an image that "
				    "is closed"
				  : "a source of bits was staged before the last "
				    "commit";
		EXPECT(plan_copied(edit, 0, &plan, NULL, &err), words);
		EXPECT(qcow2bm_edit_commit(edit, NULL, NULL, NULL, &err), words);
		qcow2bm_edit_end(edit);
		struct qcow2bm_measure measure;
		assert_int_equal(measure_copied(images[0], 2, QCOW2BM_READ_COUNT,
						&measure, NULL, NULL),
				 QCOW2BM_OK);
		assert_int_equal(measure.dirty_bytes, 0);
		forget_both();
	}
}

static void sources_that_are_forgotten_do_not_matter(void **state)
{
	(void)state;
	build_both();
	struct qcow2bm_edit *edit = begin(images[0]);
	assert_int_equal(qcow2bm_edit_merge(edit, "c", 1, images[1], "b", 1, NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_merge(edit, "c", 1, images[1], "b", 1, NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_clear(edit, "c", 1, NULL), QCOW2BM_OK);
	delete_a(images[1]);
	assert_int_equal(qcow2bm_edit_commit(edit, NULL, NULL, NULL, NULL), QCOW2BM_OK);
	qcow2bm_edit_end(edit);
	forget_both();
}

/* ---- Reports ---- */

static void a_report_is_over_when_its_image_changes(void **state)
{
	(void)state;
	static const struct qcow2bm_carved_options carved = QCOW2BM_CARVED_OPTIONS_INIT;
	static const char words[] = "the report was made before the last commit";
	build_both();
	struct qcow2bm_report *report = check(images[0]);
	delete_a(images[0]);
	struct qcow2bm_edit *edit = begin(images[0]);
	EXPECT(qcow2bm_edit_repair(edit, report, NULL, &err), words);
	EXPECT(qcow2bm_image_carve(images[0], report, ignore_carved, NULL, NULL, &err),
	       words);
	EXPECT(qcow2bm_edit_recover_carved(edit, report, &carved, "g", 1, NULL, &err),
	       words);
	qcow2bm_report_free(report);
	report = check(images[0]);
	assert_int_equal(
		qcow2bm_image_carve(images[0], report, ignore_carved, NULL, NULL, NULL),
		QCOW2BM_OK);
	EXPECT(qcow2bm_image_carve(images[1], report, ignore_carved, NULL, NULL, &err),
	       "the report is about another image");
	qcow2bm_edit_end(edit);
	forget_both();
	/* Its problems are its own. */
	assert_null(qcow2bm_report_problem(report, qcow2bm_report_count(report)));
	qcow2bm_report_free(report);
}

/* ---- Indexes ---- */

static int ignore_extent(void *opaque, const struct qcow2bm_extent *extent)
{
	(void)opaque;
	(void)extent;
	return 0;
}

static void indexes_that_nobody_has(void **state)
{
	(void)state;
	static const size_t indexes[] = {3, 4, SIZE_MAX / 64, SIZE_MAX};
	build_both();
	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
		struct qcow2bm_bitmap bitmap;
		struct qcow2bm_measure measure;
		bitmap = *qcow2bm_bitmap_describe(images[0], indexes[i]);
		assert_int_equal(bitmap.state, QCOW2BM_STATE_CORRUPT);
		assert_int_equal(bitmap.name_bytes, 0);
		assert_non_null(bitmap.name);
		assert_non_null(bitmap.problem);
		EXPECT(measure_copied(images[0], indexes[i], 0, &measure, NULL, &err),
		       "no bitmap number");
		EXPECT(qcow2bm_bitmap_extents(images[0], indexes[i], 0, UINT64_MAX,
					      QCOW2BM_READ_UNTRUSTED, ignore_extent, NULL,
					      NULL, &err),
		       "no bitmap number");
		if (indexes[i] != QCOW2BM_NOT_FOUND)
			EXPECT(qcow2bm_bitmap_judge(images[0], indexes[i], NULL, &err),
			       "no bitmap number");
	}
	struct qcow2bm_edit *edit = begin(images[0]);
	struct qcow2bm_change change =
		*qcow2bm_edit_change(edit, 0); /* it was not planned */
	assert_int_equal(change.kind, QCOW2BM_CHANGE_NONE);
	change = *qcow2bm_edit_change(edit, SIZE_MAX);
	assert_int_equal(change.kind, QCOW2BM_CHANGE_NONE);
	qcow2bm_edit_end(edit);
	forget_both();
}

static void what_is_not_there_has_an_errno(void **state)
{
	(void)state;
	struct qcow2bm_error err = {0};
	assert_int_equal(qcow2bm_undo_apply("/no/such/image", "/no/such/undo", 0, 0, NULL,
					    NULL, NULL, &err),
			 QCOW2BM_ESYSTEM);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_non_null(strstr(err.sentence, "the undo file '/no/such/undo'"));
	struct qcow2bm_image *image;
	err = (struct qcow2bm_error){0};
	assert_int_equal(qcow2bm_image_open(&image, "/no/such/image", 0, 0, NULL, &err),
			 QCOW2BM_ESYSTEM);
	assert_int_equal(err.sys_errno, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_edit_is_over_when_another_is_committed),
		cmocka_unit_test(an_edit_is_over_when_its_image_is_closed),
		cmocka_unit_test(the_edit_that_was_committed_goes_on),
		cmocka_unit_test(an_edit_of_nothing_leaves_the_others),
		cmocka_unit_test(a_source_is_over_when_its_image_changes),
		cmocka_unit_test(sources_that_are_forgotten_do_not_matter),
		cmocka_unit_test(a_report_is_over_when_its_image_changes),
		cmocka_unit_test(indexes_that_nobody_has),
		cmocka_unit_test(what_is_not_there_has_an_errno),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
