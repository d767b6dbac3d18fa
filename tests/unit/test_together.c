/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits of several images as one: all or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/edit_cases.h"
#include "../support/strict_reader.h"
#include "image/image.h"

#define IMAGES 3

struct world {
	struct memory_file files[IMAGES], before[IMAGES];
	struct qcow2bm_image *images[IMAGES];
	struct qcow2bm_together_edit edits[IMAGES];
	const struct qcow2bm_result *results[IMAGES];
	size_t failed;
	struct qcow2bm_error err;
};

static void open_world(struct world *world, const char *const words[IMAGES])
{
	static const char *const names[IMAGES] = {"a.qcow2", "b.qcow2", "c.qcow2"};
	memset(world, 0, sizeof(*world));
	for (size_t i = 0; i < IMAGES; i++) {
		assert_true(edit_case_image("small", &world->files[i]));
		memory_file_fill(&world->before[i], world->files[i].bytes,
				 world->files[i].length);
		assert_int_equal(q2_image_open(&world->images[i],
					       memory_storage_open(&world->files[i]),
					       NULL),
				 QCOW2BM_OK);
	}
	for (size_t i = 0; i < IMAGES; i++) {
		world->edits[i].filename = names[i];
		assert_int_equal(
			qcow2bm_edit_begin(&world->edits[i].edit, world->images[i], NULL),
			QCOW2BM_OK);
		assert_int_equal(edit_case_stage(world->edits[i].edit, world->images[0],
						 words[i], NULL),
				 QCOW2BM_OK);
	}
}

static void close_world(struct world *world)
{
	for (size_t i = 0; i < IMAGES; i++) {
		qcow2bm_edit_end(world->edits[i].edit);
		qcow2bm_image_close(world->images[i]);
		memory_file_free(&world->files[i]);
		memory_file_free(&world->before[i]);
	}
}

static enum qcow2bm_code commit(struct world *world)
{
	return qcow2bm_together_commit(world->edits, IMAGES, NULL, NULL, world->results,
				       &world->failed, NULL, &world->err);
}

static void expect_bitmaps(const struct world *world, size_t i, size_t count)
{
	struct strict_image image;
	assert_true(strict_read(&image, world->files[i].bytes, world->files[i].length));
	assert_int_equal(image.bitmap_count, count);
	assert_int_equal(image.leaks, 0);
	strict_free(&image);
}

static void all_are_edited(void **state)
{
	(void)state;
	static const char *const words[IMAGES] = {"delete a", "add n, merge-from n a",
						  "delete c"};
	struct world world;
	open_world(&world, words);
	assert_int_equal(commit(&world), QCOW2BM_OK);
	assert_int_equal(world.failed, SIZE_MAX);
	for (size_t i = 0; i < IMAGES; i++) {
		assert_true(world.results[i]->switched);
		assert_int_equal(world.results[i]->leaked_clusters, 0);
	}
	expect_bitmaps(&world, 0, 2);
	expect_bitmaps(&world, 1, 4);
	expect_bitmaps(&world, 2, 2);
	close_world(&world);
}

static void one_that_fails_rolls_all_back(void **state)
{
	(void)state;
	static const char *const words[IMAGES] = {"delete a", "delete b", "add n"};
	struct world world;
	open_world(&world, words);
	world.images[2]->storage->writable = false;
	assert_int_equal(commit(&world), QCOW2BM_EINVAL);
	assert_int_equal(world.failed, 2);
	for (size_t i = 0; i < IMAGES; i++) {
		assert_false(world.results[i]->switched);
		expect_bitmaps(&world, i, 3);
	}
	world.images[2]->storage->writable = true;
	assert_int_equal(commit(&world), QCOW2BM_OK);
	expect_bitmaps(&world, 2, 4);
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_edited),
		cmocka_unit_test(one_that_fails_rolls_all_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
