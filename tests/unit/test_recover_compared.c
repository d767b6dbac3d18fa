/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bitmap that is recovered by what differs has these bits and no others; what it promises. */
#include "../support/edit_cases.h"
#include "guest/differ.h"
#include "image/image.h"
#include "source/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world {
	struct memory_file file;
	struct qcow2bm_image *image;
	struct qcow2bm_edit *edit;
	struct q2_differ_old old;
	struct qcow2bm_differ differ;
};

static void open_world(struct world *world, const char *image, unsigned granularity_bits)
{
	*world = (struct world){.image = NULL};
	assert_true(edit_case_image(image, &world->file));
	assert_int_equal(q2_image_open(&world->image,
				       edit_case_storage(image, &world->file), NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_begin(&world->edit, world->image, NULL),
			 QCOW2BM_OK);
	uint64_t bytes = world->image->header.virtual_bytes;
	world->differ = (struct qcow2bm_differ){.image = world->image,
						.virtual_bytes = bytes,
						.olds = &world->old,
						.count = 1};
	assert_int_equal(q2_differences_open(&world->old.differences, bytes,
					     granularity_bits, NULL),
			 QCOW2BM_OK);
	assert_int_equal(q2_differences_set(&world->old.differences, 1, 3, NULL),
			 QCOW2BM_OK);
}

static void close_world(struct world *world)
{
	qcow2bm_edit_end(world->edit);
	qcow2bm_image_close(world->image);
	q2_differences_close(&world->old.differences);
	memory_file_free(&world->file);
}

static enum qcow2bm_code recover(struct world *world, enum qcow2bm_base base,
				 bool accept_unsafe, struct qcow2bm_promise *promise,
				 struct qcow2bm_error *err)
{
	struct qcow2bm_recover_options options = QCOW2BM_RECOVER_OPTIONS_INIT;
	const struct qcow2bm_promise *told;
	options.accept_unsafe = accept_unsafe;
	enum qcow2bm_code code = qcow2bm_edit_recover_compared(
		world->edit, "a", 1, &world->differ, 0, base, &options, &told, err);
	*promise = *told;
	return code;
}

/* The bits of a, before or after: as many as are set, and those of the first 64. */
static uint64_t read_bits(struct world *world, uint64_t *first)
{
	struct q2_source source;
	size_t idx = qcow2bm_bitmap_find(world->image, "a", 1);
	assert_int_equal(q2_source_open_bitmap(&source, world->image, idx, NULL),
			 QCOW2BM_OK);
	size_t count = (size_t)(source.shape.bits + 63) / 64;
	uint64_t *words = calloc(count, sizeof(*words)), ones = 0;
	assert_int_equal(q2_source_read(&source, 0, source.shape.bits, words, NULL),
			 QCOW2BM_OK);
	for (uint64_t i = 0; i < source.shape.bits; i++)
		ones += ((const uint8_t *)words)[i / 8] >> (i % 8) & 1;
	*first = ((const uint8_t *)words)[0];
	free(words);
	q2_source_close(&source);
	return ones;
}

static void one_that_is_in_use_gets_just_what_differs(void **state)
{
	(void)state;
	struct world world;
	struct qcow2bm_promise promise;
	uint64_t first;
	open_world(&world, "in-use", 9);
	assert_int_equal(recover(&world, QCOW2BM_BASE_SAME, false, &promise, NULL),
			 QCOW2BM_OK);
	assert_int_equal(promise.method, QCOW2BM_RECOVER_COMPARED);
	assert_int_equal(promise.guarantee, QCOW2BM_GUARANTEE_EXACT);
	assert_int_equal(promise.conditions, 1u << QCOW2BM_CONDITION_OLD_IS_BASE);
	assert_int_equal(qcow2bm_edit_commit(world.edit, NULL, NULL, NULL, NULL),
			 QCOW2BM_OK);
	uint64_t ones = read_bits(&world, &first);
	unsigned bits = qcow2bm_bitmap_describe(world.image,
						qcow2bm_bitmap_find(world.image, "a", 1))
				->granularity_bits;
	/* Bytes 512 to 1535 of the disk, by the bitmap's own granularity. */
	uint64_t from = 512u >> bits, to = (1535u >> bits) + 1;
	assert_int_equal(ones, to - from);
	assert_int_equal(first, ((1u << (to - from)) - 1) << from);
	close_world(&world);
}

static void one_that_can_be_trusted_keeps_what_it_has(void **state)
{
	(void)state;
	struct world world;
	struct qcow2bm_promise promise;
	uint64_t first;
	open_world(&world, "small", 9);
	uint64_t before = read_bits(&world, &first);
	assert_true(before > 3);
	assert_int_equal(recover(&world, QCOW2BM_BASE_UNTOLD, false, &promise, NULL),
			 QCOW2BM_OK);
	assert_int_equal(promise.guarantee, QCOW2BM_GUARANTEE_SUPERSET);
	assert_int_equal(qcow2bm_edit_commit(world.edit, NULL, NULL, NULL, NULL),
			 QCOW2BM_OK);
	assert_true(read_bits(&world, &first) >= before);
	close_world(&world);
}

static void a_manifest_that_is_coarser_gives_a_superset(void **state)
{
	(void)state;
	struct world world;
	struct qcow2bm_promise promise;
	open_world(&world, "in-use", 20);
	assert_int_equal(recover(&world, QCOW2BM_BASE_SAME, false, &promise, NULL),
			 QCOW2BM_OK);
	assert_int_equal(promise.guarantee, QCOW2BM_GUARANTEE_SUPERSET);
	close_world(&world);
}

static void another_time_is_refused_without_the_users_word(void **state)
{
	(void)state;
	static const enum qcow2bm_base bases[] = {QCOW2BM_BASE_LATER, QCOW2BM_BASE_OTHER};
	for (size_t i = 0; i < 2; i++) {
		struct world world;
		struct qcow2bm_promise promise;
		struct qcow2bm_error err = {0};
		open_world(&world, "in-use", 9);
		assert_int_equal(recover(&world, bases[i], false, &promise, &err),
				 QCOW2BM_EINUSE);
		assert_int_equal(promise.guarantee, QCOW2BM_GUARANTEE_UNSAFE);
		assert_memory_equal(err.sentence, "unsafe: ", 8);
		assert_int_equal(recover(&world, bases[i], true, &promise, NULL),
				 QCOW2BM_OK);
		assert_int_equal(promise.guarantee, QCOW2BM_GUARANTEE_UNSAFE);
		assert_int_equal(promise.conditions, 0);
		/* Once is enough. */
		assert_int_equal(recover(&world, bases[i], true, &promise, NULL),
				 QCOW2BM_EINVAL);
		close_world(&world);
	}
}

static void differences_of_another_disk_are_refused(void **state)
{
	(void)state;
	struct world world;
	struct qcow2bm_promise promise;
	open_world(&world, "in-use", 9);
	world.differ.image = NULL;
	assert_int_equal(recover(&world, QCOW2BM_BASE_SAME, true, &promise, NULL),
			 QCOW2BM_EINVAL);
	world.differ.image = world.image;
	world.differ.virtual_bytes += 512;
	assert_int_equal(recover(&world, QCOW2BM_BASE_SAME, true, &promise, NULL),
			 QCOW2BM_EINVAL);
	world.differ.virtual_bytes -= 512;
	world.differ.count = 0;
	assert_int_equal(recover(&world, QCOW2BM_BASE_SAME, true, &promise, NULL),
			 QCOW2BM_EINVAL);
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_is_in_use_gets_just_what_differs),
		cmocka_unit_test(one_that_can_be_trusted_keeps_what_it_has),
		cmocka_unit_test(a_manifest_that_is_coarser_gives_a_superset),
		cmocka_unit_test(another_time_is_refused_without_the_users_word),
		cmocka_unit_test(differences_of_another_disk_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
