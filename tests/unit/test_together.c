/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits of several image files as one: all or none, and the file that says so meanwhile. */
#define _XOPEN_SOURCE 700

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/edit_cases.h"
#include "../support/fault_storage.h"
#include "../support/strict_reader.h"
#include "image/image.h"
#include "edit/together.h"

#define IMAGES 3
#define PATH_BYTES 128

struct world {
	char folder[PATH_BYTES / 2];
	char paths[IMAGES][PATH_BYTES];
	char intent[PATH_BYTES];
	struct memory_file before;
	struct qcow2bm_image *images[IMAGES];
	struct qcow2bm_together_edit edits[IMAGES];
	const struct qcow2bm_result *results[IMAGES];
	size_t failed;
	struct qcow2bm_error err;
};

static void write_file(const char *path, const struct memory_file *file)
{
	FILE *to = fopen(path, "wb");
	assert_non_null(to);
	assert_int_equal(fwrite(file->bytes, 1, file->length, to), file->length);
	assert_int_equal(fclose(to), 0);
}

/* The last one is opened with these flags. */
static void open_images(struct world *world, const char *const words[IMAGES],
			unsigned last_flags)
{
	for (size_t i = 0; i < IMAGES; i++)
		assert_int_equal(qcow2bm_image_open(&world->images[i], world->paths[i],
						    i == IMAGES - 1 ? last_flags
								    : QCOW2BM_OPEN_WRITE,
						    0, NULL, NULL),
				 QCOW2BM_OK);
	for (size_t i = 0; i < IMAGES; i++) {
		world->edits[i].filename = world->paths[i];
		assert_int_equal(
			qcow2bm_edit_begin(&world->edits[i].edit, world->images[i], NULL),
			QCOW2BM_OK);
		assert_int_equal(edit_case_stage(world->edits[i].edit, world->images[0],
						 words[i], NULL),
				 QCOW2BM_OK);
	}
}

static void close_images(struct world *world)
{
	for (size_t i = 0; i < IMAGES; i++) {
		qcow2bm_edit_end(world->edits[i].edit);
		qcow2bm_image_close(world->images[i]);
	}
}

static void open_world(struct world *world, const char *const words[IMAGES],
		       unsigned last_flags)
{
	memset(world, 0, sizeof(*world));
	strcpy(world->folder, "test_together.XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	assert_true(edit_case_image("small", &world->before));
	for (size_t i = 0; i < IMAGES; i++) {
		snprintf(world->paths[i], PATH_BYTES, "%s/%c", world->folder, "abc"[i]);
		write_file(world->paths[i], &world->before);
	}
	snprintf(world->intent, PATH_BYTES, "%s/.a.qcow2bm-intent", world->folder);
	open_images(world, words, last_flags);
}

static void close_world(struct world *world)
{
	close_images(world);
	for (size_t i = 0; i < IMAGES; i++)
		assert_int_equal(unlink(world->paths[i]), 0);
	assert_int_equal(rmdir(world->folder), 0); /* no intent file is left */
	memory_file_free(&world->before);
}

static enum qcow2bm_code commit(struct world *world)
{
	memset(&world->err, 0, sizeof(world->err));
	return qcow2bm_together_commit(world->edits, IMAGES, NULL, NULL, world->results,
				       &world->failed, NULL, &world->err);
}

static void expect_bitmaps(const struct world *world, size_t i, size_t count,
			   bool may_leak)
{
	struct memory_file file = {0};
	struct strict_image image;
	assert_true(memory_file_load(&file, world->paths[i]));
	assert_true(strict_read(&image, file.bytes, file.length));
	assert_int_equal(image.bitmap_count, count);
	assert_true(may_leak || image.leaks == 0);
	strict_free(&image);
	memory_file_free(&file);
}

static const char *const three[IMAGES] = {"delete a", "add n, merge-from n a",
					  "delete c"};

static void all_are_edited(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, three, QCOW2BM_OPEN_WRITE);
	assert_int_equal(commit(&world), QCOW2BM_OK);
	assert_int_equal(world.failed, SIZE_MAX);
	for (size_t i = 0; i < IMAGES; i++) {
		assert_true(world.results[i]->switched);
		assert_int_equal(world.results[i]->leaked_clusters, 0);
	}
	expect_bitmaps(&world, 0, 2, false);
	expect_bitmaps(&world, 1, 4, false);
	expect_bitmaps(&world, 2, 2, false);
	close_world(&world);
}

static void one_that_fails_rolls_all_back(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, three, 0);
	assert_int_equal(commit(&world), QCOW2BM_EINVAL);
	assert_int_equal(world.failed, 2);
	for (size_t i = 0; i < IMAGES; i++) {
		assert_false(world.results[i]->switched);
		expect_bitmaps(&world, i, 3, false);
	}
	close_images(&world);
	open_images(&world, three, QCOW2BM_OPEN_WRITE);
	assert_int_equal(commit(&world), QCOW2BM_OK);
	close_world(&world);
}

/* A file that is there is one that matters. */
static void an_intent_file_is_not_written_over(void **state)
{
	(void)state;
	struct world world;
	struct memory_file file = {0};
	open_world(&world, three, QCOW2BM_OPEN_WRITE);
	memory_file_fill(&file, "precious", 8);
	write_file(world.intent, &file);
	memory_file_free(&file);
	assert_int_equal(commit(&world), QCOW2BM_ESYSTEM);
	assert_int_equal(world.err.sys_errno, EEXIST);
	assert_non_null(strstr(world.err.sentence, "resume"));
	assert_int_equal(world.failed, SIZE_MAX);
	for (size_t i = 0; i < IMAGES; i++)
		expect_bitmaps(&world, i, 3, false);
	assert_true(memory_file_load(&file, world.intent));
	assert_memory_equal(file.bytes, "precious", 8);
	memset(&world.err, 0, sizeof(world.err));
	assert_int_equal(
		qcow2bm_together_resume(world.intent, 0, 0, NULL, NULL, NULL, &world.err),
		QCOW2BM_EIMAGE);
	memory_file_free(&file);
	/* One image alone waits for it, too. */
	assert_int_equal(qcow2bm_together_commit(world.edits, 1, "other", NULL, NULL,
						 NULL, NULL, NULL),
			 QCOW2BM_ESYSTEM);
	assert_int_equal(unlink(world.intent), 0);
	assert_int_equal(commit(&world), QCOW2BM_OK);
	close_world(&world);
}

/* Where one image changes there is nothing to be kept in step, and no file: it has no place. */
static void one_change_needs_no_file(void **state)
{
	(void)state;
	static const char *const words[IMAGES] = {NULL, "delete a", NULL};
	struct world world;
	open_world(&world, words, QCOW2BM_OPEN_WRITE);
	assert_int_equal(qcow2bm_together_commit(world.edits, IMAGES, "nowhere/at/all",
						 NULL, world.results, NULL, NULL, NULL),
			 QCOW2BM_OK);
	for (size_t i = 0; i < IMAGES; i++)
		assert_true(world.results[i]->switched);
	expect_bitmaps(&world, 1, 2, false);
	close_world(&world);
}

/* Then no result says that all is done. */
static void a_file_that_is_refused_refuses_all(void **state)
{
	(void)state;
	static const char *const words[IMAGES] = {NULL, NULL, NULL};
	struct world world;
	open_world(&world, words, QCOW2BM_OPEN_WRITE);
	const struct qcow2bm_together_file file = {.filename = world.paths[0],
						   .temporary = world.intent,
						   .old_bytes = "else",
						   .old_count = 4};
	const struct qcow2bm_commit_options options = {
		.size = sizeof(options), .files = &file, .file_count = 1};
	assert_int_equal(qcow2bm_together_commit(world.edits, IMAGES, NULL, &options,
						 world.results, &world.failed, NULL,
						 NULL),
			 QCOW2BM_EBUSY);
	assert_int_equal(world.failed, SIZE_MAX);
	for (size_t i = 0; i < IMAGES; i++)
		assert_false(world.results[i]->switched);
	close_world(&world);
}

/* ---- Cut off, and resumed --------------------------------------------------------------- */

/* Of the second image, which cannot be written from the moment on at which the file is made. */
static struct fault_plan fault;

static enum qcow2bm_code create(void *opaque, struct q2_storage **file,
				struct qcow2bm_error *err)
{
	fault = (struct fault_plan){
		.kinds = FAULT_WRITE, .at = 1, .from_then_on = true, .sys_errno = EIO};
	return q2_file_create(file, ((struct world *)opaque)->intent, err);
}

static enum qcow2bm_code discard(void *opaque, struct qcow2bm_error *err)
{
	return q2_file_remove(((struct world *)opaque)->intent, err);
}

static enum qcow2bm_code resolve(void *opaque, const char *filename, char **path,
				 struct qcow2bm_error *err)
{
	(void)opaque;
	(void)err;
	*path = realpath(filename, NULL);
	return *path == NULL ? QCOW2BM_ENOMEM : QCOW2BM_OK;
}

static void cut_off(struct world *world)
{
	struct q2_intent_place place = {world->intent, world, create, discard, resolve};
	struct q2_together together = {.edits = world->edits,
				       .count = IMAGES,
				       .results = world->results,
				       .place = &place};
	struct qcow2bm_error err = {0};
	fault = (struct fault_plan){0};
	world->images[1]->storage = fault_storage_open(world->images[1]->storage, &fault);
	assert_int_equal(q2_together_commit(&together, &err), QCOW2BM_EUNKNOWN);
	assert_int_equal(together.failed, 1);
	assert_true(world->results[0]->switched);
	assert_false(world->results[1]->switched);
	assert_false(world->results[2]->switched);
	close_images(world);
	expect_bitmaps(world, 0, 2, true);
	expect_bitmaps(world, 1, 3, true);
	expect_bitmaps(world, 2, 3, true);
}

static void note_result(void *opaque, const struct qcow2bm_resume_result *result)
{
	*(enum qcow2bm_resume_outcome *)opaque = result->outcome;
	assert_int_equal(result->count, IMAGES);
	assert_int_equal(result->images[0].held, QCOW2BM_RESUME_NEW);
	assert_int_equal(result->images[1].held, QCOW2BM_RESUME_OLD);
	assert_int_equal(result->images[2].held, QCOW2BM_RESUME_OLD);
	assert_int_equal(result->images[0].filename[0], '/');
}

static const char *const lasting[IMAGES] = {"delete a", "rename a n", "delete c"};
static const char *const nothing[IMAGES] = {NULL, NULL, NULL};

static void what_was_cut_off_is_finished(void **state)
{
	(void)state;
	struct world world;
	enum qcow2bm_resume_outcome outcome = QCOW2BM_RESUME_NOT_BEGUN;
	open_world(&world, lasting, QCOW2BM_OPEN_WRITE);
	cut_off(&world);
	for (int dry = 1; dry >= 0; dry--) {
		assert_int_equal(qcow2bm_together_resume(
					 world.intent, dry ? QCOW2BM_RESUME_DRY_RUN : 0,
					 0, note_result, &outcome, NULL, NULL),
				 QCOW2BM_OK);
		assert_int_equal(outcome, QCOW2BM_RESUME_FINISHED);
		assert_int_equal(access(world.intent, F_OK), dry ? 0 : -1);
		expect_bitmaps(&world, 2, dry ? 3 : 2, true);
	}
	expect_bitmaps(&world, 0, 2, true);
	open_images(&world, nothing, QCOW2BM_OPEN_WRITE);
	assert_int_equal(qcow2bm_bitmap_find(world.images[1], "n", 1), 0);
	close_world(&world);
}

/* A lock on one of them leaves all as they are. */
static void nothing_is_done_unless_all_are_locked(void **state)
{
	(void)state;
	struct world world;
	struct qcow2bm_image *image;
	open_world(&world, lasting, QCOW2BM_OPEN_WRITE);
	cut_off(&world);
	assert_int_equal(qcow2bm_image_open(&image, world.paths[2], QCOW2BM_OPEN_WRITE, 0,
					    NULL, NULL),
			 QCOW2BM_OK);
	assert_int_equal(
		qcow2bm_together_resume(world.intent, 0, 0, NULL, NULL, NULL, &world.err),
		QCOW2BM_EBUSY);
	assert_non_null(strstr(world.err.sentence, "/c'"));
	expect_bitmaps(&world, 1, 3, true);
	qcow2bm_image_close(image);
	assert_int_equal(
		qcow2bm_together_resume(world.intent, 0, 0, NULL, NULL, NULL, NULL),
		QCOW2BM_OK);
	open_images(&world, nothing, QCOW2BM_OPEN_WRITE);
	close_world(&world);
}

/* Cut off before it was complete, the file says nothing, and no image was switched over. */
static void a_file_that_is_not_complete_goes(void **state)
{
	(void)state;
	struct world world;
	struct memory_file file = {0};
	open_world(&world, lasting, QCOW2BM_OPEN_WRITE);
	cut_off(&world);
	assert_true(memory_file_load(&file, world.intent));
	file.bytes[file.length - 1] ^= 1;
	write_file(world.intent, &file);
	assert_int_equal(
		qcow2bm_together_resume(world.intent, 0, 0, NULL, NULL, NULL, NULL),
		QCOW2BM_OK);
	expect_bitmaps(&world, 2, 3, true);
	memory_file_free(&file);
	open_images(&world, nothing, QCOW2BM_OPEN_WRITE);
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_edited),
		cmocka_unit_test(one_that_fails_rolls_all_back),
		cmocka_unit_test(an_intent_file_is_not_written_over),
		cmocka_unit_test(one_change_needs_no_file),
		cmocka_unit_test(a_file_that_is_refused_refuses_all),
		cmocka_unit_test(what_was_cut_off_is_finished),
		cmocka_unit_test(nothing_is_done_unless_all_are_locked),
		cmocka_unit_test(a_file_that_is_not_complete_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
