/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits of images that have no room for a new directory: which are done all the same, what they
 * write, and what the others are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../support/fault_storage.h"
#include "../support/one_edit.h"
#include "image/image.h"
#include "../support/copies.h"

#define CLUSTER_BYTES 512
#define COUNT 24 /* bitmaps of 32 bytes in the directory: one sector and a half */

static char names[COUNT][4];
static struct build_bitmap bitmaps[COUNT];

/* What is free is counted: nobody's, but not to be had. */
static void fill(struct one_edit *edit)
{
	for (uint64_t c = 0; c < edit->file.length / CLUSTER_BYTES; c++)
		if (one_edit_refcount(edit, c) == 0)
			one_edit_count(edit, c, 1);
}

/* A device that is full. */
static void build_full(struct one_edit *edit, unsigned count)
{
	struct build build = {
		.seed = 3,
		.cluster_bits = 9,
		.refcount_order = 4,
		.virtual_bytes = 1 << 20,
		.guest_clusters = 8,
		.bitmaps = bitmaps,
		.bitmap_count = count,
	};
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "b%02u", i);
		bitmaps[i] = (struct build_bitmap){.name = names[i],
						   .name_bytes = 3,
						   .flags = 2,
						   .granularity_bits = 16};
	}
	memset(edit, 0, sizeof(*edit));
	build_image(&build, &edit->file);
	fill(edit);
	edit->is_device = true;
}

static const char *wanted; /* what the stages below name */

static enum qcow2bm_code delete_wanted(struct qcow2bm_edit *edit,
				       struct qcow2bm_error *err)
{
	return qcow2bm_edit_delete(edit, wanted, 3, err);
}

static enum qcow2bm_code disable_wanted(struct qcow2bm_edit *edit,
					struct qcow2bm_error *err)
{
	return qcow2bm_edit_disable(edit, wanted, 3, err);
}

static enum qcow2bm_code rename_wanted(struct qcow2bm_edit *edit,
				       struct qcow2bm_error *err)
{
	return qcow2bm_edit_rename(edit, wanted, 3, "other", 5, err);
}

static enum qcow2bm_code rename_longer(struct qcow2bm_edit *edit,
				       struct qcow2bm_error *err)
{
	return qcow2bm_edit_rename(edit, wanted, 3, "a-longer-name", 13, err);
}

static enum qcow2bm_code delete_two_and_disable(struct qcow2bm_edit *edit,
						struct qcow2bm_error *err)
{
	enum qcow2bm_code code = qcow2bm_edit_delete(edit, "b01", 3, err);
	return code == QCOW2BM_OK ? qcow2bm_edit_disable(edit, "b02", 3, err) : code;
}

static enum qcow2bm_code delete_all(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (unsigned i = 0; code == QCOW2BM_OK && i < COUNT; i++)
		code = qcow2bm_edit_delete(edit, names[i], 3, err);
	return code;
}

static enum qcow2bm_code add_one(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_add(edit, "new", 3, 16, true, err);
}

/* Done, with no more writes than that, none of which is longer than a sector or crosses one where
 * the old directory is. */
static void expect_done(struct one_edit *edit, stage_fn *stage, size_t count)
{
	struct inspect before;
	assert_true(inspect_load(&before, edit->file.bytes, edit->file.length));
	uint64_t off = inspect_number(&before, before.payload_off + 16, 8);
	assert_int_equal(one_edit_run(edit, stage, 0), QCOW2BM_OK);
	assert_true(edit->is_sound);
	assert_true(inspect_check_edit(&edit->inspect, &before));
	assert_true(inspect_check_refcounts(&edit->inspect, true, NULL));
	assert_int_equal(edit->inspect.bitmap_count, count);
	assert_int_equal(edit->result.leaked_clusters, 0);
	for (size_t i = 0; i < edit->log.count; i++) {
		const struct record_op *op = &edit->log.ops[i];
		if (op->kind == RECORD_WRITE && op->off >= off &&
		    op->off < off + 2 * CLUSTER_BYTES)
			assert_int_equal(op->off / 512, (op->off + op->bytes - 1) / 512);
	}
	inspect_free(&before);
}

static void expect_refused(struct one_edit *edit, stage_fn *stage)
{
	assert_int_equal(one_edit_run(edit, stage, 0), QCOW2BM_ESYSTEM);
	assert_int_equal(edit->err.sys_errno, ENOSPC);
	assert_non_null(strstr(edit->err.sentence, "lvextend"));
	assert_true(one_edit_is_untouched(edit));
}

static void the_last_ones_need_the_header_alone(void **state)
{
	(void)state;
	struct one_edit edit;
	build_full(&edit, COUNT);
	wanted = names[COUNT - 1];
	uint64_t entry = one_edit_entry_off(&edit, 0, 0); /* the first table: it stays */
	expect_done(&edit, delete_wanted, COUNT - 1);
	assert_int_equal(one_edit_entry_off(&edit, 0, 0), entry);
	assert_int_equal(edit.result.syncs, 3);
	one_edit_free(&edit);
}

/* With 24 entries of 32 bytes: those from number 16 on are in one sector with the end. */
static void others_move_to_the_end_inside_one_sector(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		struct one_edit edit;
		build_full(&edit, COUNT);
		wanted = names[i];
		if (i >= 16)
			expect_done(&edit, delete_wanted, COUNT - 1);
		else
			expect_refused(&edit, delete_wanted);
		one_edit_free(&edit);
	}
}

static void what_a_refusal_names_can_be_done(void **state)
{
	(void)state;
	struct one_edit edit;
	build_full(&edit, COUNT);
	wanted = names[0];
	expect_refused(&edit, delete_wanted);
	assert_non_null(strstr(edit.err.sentence, "('b23')"));
	/* What these had is room for a new directory, which has two clusters. */
	for (unsigned i = 1; i <= 2; i++) {
		wanted = names[COUNT - i];
		expect_done(&edit, delete_wanted, COUNT - i);
	}
	wanted = names[0];
	expect_done(&edit, delete_wanted, COUNT - 3);
	one_edit_free(&edit);
	build_full(&edit, COUNT);
	expect_refused(&edit, add_one);
	expect_done(&edit, delete_all, 0);
	one_edit_free(&edit);
	build_full(&edit, 0);
	expect_refused(&edit, add_one);
	assert_null(strstr(edit.err.sentence, "delete"));
	one_edit_free(&edit);
}

static void flags_and_names_change_in_one_sector(void **state)
{
	(void)state;
	static stage_fn *const stages[] = {disable_wanted, rename_wanted};
	for (size_t i = 0; i < 2; i++) {
		struct one_edit edit;
		build_full(&edit, 3);
		wanted = names[0];
		expect_done(&edit, stages[i], 3);
		assert_int_equal(edit.result.released_clusters, 0);
		assert_int_equal(edit.result.syncs, 3);
		wanted = names[2];
		expect_refused(&edit, rename_longer);
		/* The old state would have it disabled, too. */
		expect_refused(&edit, delete_two_and_disable);
		one_edit_free(&edit);
	}
}

/* A directory whose cluster something else has, too, is not written to. */
static void a_directory_that_is_not_the_bitmaps_alone_stays(void **state)
{
	(void)state;
	struct one_edit edit;
	build_full(&edit, 3);
	struct inspect inspect;
	assert_true(inspect_load(&inspect, edit.file.bytes, edit.file.length));
	uint64_t directory = inspect_number(&inspect, inspect.payload_off + 16, 8);
	inspect_free(&inspect);
	one_edit_count(&edit, directory / CLUSTER_BYTES, 2);
	wanted = names[0];
	assert_int_equal(one_edit_run(&edit, delete_wanted, 0), QCOW2BM_ESYSTEM);
	assert_true(one_edit_is_untouched(&edit));
	/* The header may change. */
	wanted = names[2];
	assert_int_equal(one_edit_run(&edit, delete_wanted, 0), QCOW2BM_OK);
	one_edit_free(&edit);
}

static enum qcow2bm_code try_repair(struct one_edit *edit,
				    const struct qcow2bm_repair_options *options)
{
	struct qcow2bm_image *image;
	struct qcow2bm_edit *staged;
	struct qcow2bm_report *report;
	struct q2_storage *storage = memory_storage_open(&edit->file);
	storage->can_grow = false;
	assert_int_equal(q2_image_open_damaged(&image, storage, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_image_check(image, NULL, &report, NULL, NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_begin(&staged, image, NULL), QCOW2BM_OK);
	enum qcow2bm_code code = qcow2bm_edit_repair(staged, report, options, &edit->err);
	if (code == QCOW2BM_OK)
		code = commit_copied(staged, NULL, &edit->result, NULL, &edit->err);
	qcow2bm_edit_end(staged);
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
	return code;
}

/* What is leaked could be data that a bitmap has lost. */
static void repair_full(struct one_edit *edit, size_t count)
{
	const struct qcow2bm_repair_options options = {
		.size = sizeof(struct qcow2bm_repair_options),
		.flags = QCOW2BM_REPAIR_TRUST_BITMAPS};
	if (try_repair(edit, &options) != QCOW2BM_OK)
		fail_msg("%s", edit->err.sentence);
	assert_true(inspect_load(&edit->inspect, edit->file.bytes, edit->file.length));
	assert_int_equal(edit->inspect.bitmap_count, count);
}

/* What is leaked is the room that is wanted: a repair that frees it needs none. */
static void leaks_are_freed_without_room(void **state)
{
	(void)state;
	struct one_edit edit;
	build_full(&edit, COUNT);
	repair_full(&edit, COUNT);
	assert_true(inspect_check_refcounts(&edit.inspect, false, NULL));
	one_edit_free(&edit);
}

/* A bitmap that is dropped names the directory, which stays where it is. */
static void a_directory_is_not_freed_with_a_bitmap(void **state)
{
	(void)state;
	struct one_edit edit;
	struct inspect inspect;
	build_full(&edit, 3);
	assert_true(inspect_load(&inspect, edit.file.bytes, edit.file.length));
	uint64_t directory = inspect_number(&inspect, inspect.payload_off + 16, 8);
	inspect_free(&inspect);
	one_edit_store(&edit, one_edit_entry_off(&edit, 1, 0), 8, directory);
	repair_full(&edit, 2);
	assert_int_equal(inspect_number(&edit.inspect, edit.inspect.payload_off + 16, 8),
			 directory);
	assert_int_equal(one_edit_refcount(&edit, directory / CLUSTER_BYTES), 1);
	one_edit_free(&edit);
}

/* A directory whose count is wrong may hold more than is seen. */
static void a_damaged_directory_is_not_rearranged(void **state)
{
	(void)state;
	static const size_t drop = 0;
	const struct qcow2bm_repair_options options = {
		.size = sizeof(struct qcow2bm_repair_options),
		.flags = QCOW2BM_REPAIR_TRUST_BITMAPS,
		.drop = &drop,
		.drop_count = 1};
	struct one_edit edit;
	struct inspect inspect;
	struct memory_file before = {0};
	build_full(&edit, 3);
	assert_true(inspect_load(&inspect, edit.file.bytes, edit.file.length));
	one_edit_store(&edit, inspect.payload_off, 4, 4);
	inspect_free(&inspect);
	memory_file_fill(&before, edit.file.bytes, edit.file.length);
	assert_int_equal(try_repair(&edit, &options), QCOW2BM_ESYSTEM);
	assert_memory_equal(edit.file.bytes, before.bytes, before.length);
	memory_file_free(&before);
	one_edit_free(&edit);
}

static enum qcow2bm_code run_on_full_disk(struct one_edit *edit, stage_fn *stage,
					  const struct qcow2bm_watch *watch,
					  int sys_errno, bool from_then_on)
{
	struct qcow2bm_image *image;
	struct qcow2bm_edit *staged;
	struct fault_plan faults = {.kinds = FAULT_WRITE,
				    .at = 1,
				    .from_then_on = from_then_on,
				    .sys_errno = sys_errno};
	assert_int_equal(q2_image_open(&image,
				       fault_storage_open(
					       memory_storage_open(&edit->file), &faults),
				       NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_begin(&staged, image, NULL), QCOW2BM_OK);
	assert_int_equal(stage(staged, NULL), QCOW2BM_OK);
	memset(&edit->err, 0, sizeof(edit->err));
	enum qcow2bm_code code =
		commit_copied(staged, NULL, &edit->result, watch, &edit->err);
	qcow2bm_edit_end(staged);
	qcow2bm_image_close(image);
	return code;
}

/* That a file cannot grow shows when it is written. */
static void a_full_file_system_is_found_while_writing(void **state)
{
	(void)state;
	static const int errors[] = {ENOSPC, EDQUOT, EFBIG, EIO};
	for (size_t i = 0; i < 4; i++) {
		struct one_edit edit;
		build_full(&edit, 3);
		wanted = names[0];
		enum qcow2bm_code code =
			run_on_full_disk(&edit, delete_wanted, NULL, errors[i], false);
		assert_int_equal(code, errors[i] == EIO ? QCOW2BM_ESYSTEM : QCOW2BM_OK);
		if (errors[i] != EIO) {
			/* Its tables were released, the directory is where it was. */
			assert_true(inspect_load(&edit.inspect, edit.file.bytes,
						 edit.file.length));
			assert_int_equal(edit.inspect.bitmap_count, 2);
			assert_true(inspect_check_refcounts(&edit.inspect, true, NULL));
		}
		one_edit_free(&edit);
	}
}

static bool wants_to_stop(void *opaque)
{
	const struct one_edit *edit = opaque;
	return memcmp(edit->before.bytes, edit->file.bytes, (size_t)edit->file.length) !=
	       0;
}

/* The entries stand in another order than the image object knows. */
static void a_stopped_edit_leaves_the_image_to_be_opened_anew(void **state)
{
	(void)state;
	struct one_edit edit;
	struct qcow2bm_image *image;
	struct qcow2bm_edit *staged;
	struct qcow2bm_watch watch = QCOW2BM_WATCH_INIT;
	watch.interrupted = wants_to_stop;
	watch.opaque = &edit;
	build_full(&edit, 3);
	memory_file_fill(&edit.before, edit.file.bytes, edit.file.length);
	struct q2_storage *storage = memory_storage_open(&edit.file);
	storage->can_grow = false;
	assert_int_equal(q2_image_open(&image, storage, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_begin(&staged, image, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_delete(staged, names[0], 3, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_commit(staged, NULL, NULL, &watch, NULL),
			 QCOW2BM_EINTERRUPTED);
	assert_int_equal(qcow2bm_edit_commit(staged, NULL, NULL, NULL, NULL),
			 QCOW2BM_EINVAL);
	assert_true(inspect_load(&edit.inspect, edit.file.bytes, edit.file.length));
	assert_int_equal(edit.inspect.bitmap_count, 3);
	qcow2bm_edit_end(staged);
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

/* The second try may end as any commit may. */
static void a_second_try_tells_how_it_ended(void **state)
{
	(void)state;
	struct one_edit edit;
	build_full(&edit, 3);
	wanted = names[0];
	assert_int_equal(run_on_full_disk(&edit, disable_wanted, NULL, ENOSPC, true),
			 QCOW2BM_EUNKNOWN);
	assert_non_null(strstr(edit.err.sentence, "outcome unknown"));
	assert_int_equal(edit.err.sys_errno, ENOSPC);
	one_edit_free(&edit);
	build_full(&edit, 3);
	assert_int_equal(run_on_full_disk(&edit, delete_wanted, NULL, ENOSPC, true),
			 QCOW2BM_ESYSTEM);
	one_edit_free(&edit);
	struct qcow2bm_watch watch = QCOW2BM_WATCH_INIT;
	watch.interrupted = wants_to_stop;
	watch.opaque = &edit;
	build_full(&edit, 3);
	memory_file_fill(&edit.before, edit.file.bytes, edit.file.length);
	assert_int_equal(run_on_full_disk(&edit, delete_wanted, &watch, ENOSPC, false),
			 QCOW2BM_EINTERRUPTED);
	assert_non_null(strstr(edit.err.sentence, "interrupted"));
	one_edit_free(&edit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_ones_need_the_header_alone),
		cmocka_unit_test(others_move_to_the_end_inside_one_sector),
		cmocka_unit_test(what_a_refusal_names_can_be_done),
		cmocka_unit_test(flags_and_names_change_in_one_sector),
		cmocka_unit_test(a_directory_that_is_not_the_bitmaps_alone_stays),
		cmocka_unit_test(leaks_are_freed_without_room),
		cmocka_unit_test(a_directory_is_not_freed_with_a_bitmap),
		cmocka_unit_test(a_damaged_directory_is_not_rearranged),
		cmocka_unit_test(a_full_file_system_is_found_while_writing),
		cmocka_unit_test(a_second_try_tells_how_it_ended),
		cmocka_unit_test(a_stopped_edit_leaves_the_image_to_be_opened_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
