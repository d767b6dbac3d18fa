/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The phases of a commit: in which order they come, and what waits for them. */
#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/edit_cases.h"
#include "../support/strict_reader.h"
#include "edit/states.h"
#include "../support/copies.h"

struct world {
	struct memory_file file, before;
	struct qcow2bm_image *image;
	struct qcow2bm_edit *edit;
	struct qcow2bm_result result;
	struct qcow2bm_error err;
};

static struct qcow2bm_edit *stage(struct qcow2bm_image *image, const char *words)
{
	struct qcow2bm_edit *edit = NULL;
	assert_int_equal(qcow2bm_edit_begin(&edit, image, NULL), QCOW2BM_OK);
	assert_int_equal(edit_case_stage(edit, NULL, words, NULL), QCOW2BM_OK);
	return edit;
}

static void open_world(struct world *world, const char *image, const char *words)
{
	memset(world, 0, sizeof(*world));
	assert_true(edit_case_image(image, &world->file));
	memory_file_fill(&world->before, world->file.bytes, world->file.length);
	assert_int_equal(q2_image_open(&world->image,
				       edit_case_storage(image, &world->file), NULL),
			 QCOW2BM_OK);
	world->edit = stage(world->image, words);
}

static void close_world(struct world *world)
{
	qcow2bm_edit_end(world->edit);
	qcow2bm_image_close(world->image);
	memory_file_free(&world->file);
	memory_file_free(&world->before);
}

/* The image has so many bitmaps, is sound and leaks nothing. */
static void expect_bitmaps(struct world *world, size_t count)
{
	struct strict_image image;
	assert_true(strict_read(&image, world->file.bytes, world->file.length));
	assert_int_equal(image.bitmap_count, count);
	assert_int_equal(image.leaks, 0);
	strict_free(&image);
}

static enum qcow2bm_code prepare(struct world *world)
{
	return prepare_copied(world->edit, NULL, &world->result, NULL, NULL);
}

static enum qcow2bm_code switch_over(struct world *world)
{
	return phase_copied(qcow2bm_edit_switch, world->edit, &world->result, NULL);
}

static enum qcow2bm_code finish(struct world *world)
{
	return phase_copied(qcow2bm_edit_finish, world->edit, &world->result, NULL);
}

static enum qcow2bm_code roll_back(struct world *world)
{
	return phase_copied(qcow2bm_edit_roll_back, world->edit, &world->result, NULL);
}

static void phases_come_in_their_order(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, "small", "delete a, clear b");
	assert_int_equal(switch_over(&world), QCOW2BM_EINVAL);
	assert_int_equal(finish(&world), QCOW2BM_EINVAL);
	assert_int_equal(roll_back(&world), QCOW2BM_EINVAL);
	assert_int_equal(prepare(&world), QCOW2BM_OK);
	assert_false(world.result.switched);
	assert_int_equal(prepare(&world), QCOW2BM_EINVAL);
	assert_int_equal(finish(&world), QCOW2BM_EINVAL);
	assert_int_equal(switch_over(&world), QCOW2BM_OK);
	assert_true(world.result.switched);
	assert_int_equal(world.result.released_clusters, 0);
	assert_int_equal(switch_over(&world), QCOW2BM_EINVAL);
	assert_int_equal(roll_back(&world), QCOW2BM_EINVAL);
	/* What the object tells is the old state until the end. */
	assert_int_equal(qcow2bm_bitmap_count(world.image), 3);
	assert_int_equal(finish(&world), QCOW2BM_OK);
	assert_true(world.result.switched && world.result.released_clusters != 0);
	assert_int_equal(world.result.syncs, 3);
	assert_int_equal(qcow2bm_bitmap_count(world.image), 2);
	assert_int_equal(finish(&world), QCOW2BM_EINVAL);
	expect_bitmaps(&world, 2);
	/* The edit is empty, and the next is staged on it. */
	assert_int_equal(qcow2bm_edit_delete(world.edit, "b", 1, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_commit(world.edit, NULL, NULL, NULL, NULL),
			 QCOW2BM_OK);
	expect_bitmaps(&world, 1);
	close_world(&world);
}

static void what_is_rolled_back_can_be_prepared_again(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, "small", "add n, merge n a, delete b");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(prepare(&world), QCOW2BM_OK);
		assert_int_equal(roll_back(&world), QCOW2BM_OK);
		assert_int_equal(world.result.leaked_clusters, 0);
		expect_bitmaps(&world, 3);
		assert_int_equal(world.file.length, world.before.length);
	}
	assert_int_equal(qcow2bm_edit_commit(world.edit, NULL, NULL, NULL, NULL),
			 QCOW2BM_OK);
	expect_bitmaps(&world, 3);
	assert_int_equal(qcow2bm_bitmap_find(world.image, "b", 1), QCOW2BM_NOT_FOUND);
	close_world(&world);
}

/* Whoever comes in between is told so; afterwards the others are outdated. */
static void nothing_else_is_done_to_a_prepared_image(void **state)
{
	(void)state;
	struct world world;
	struct qcow2bm_plan plan;
	struct qcow2bm_edit *third;
	open_world(&world, "small", "delete a");
	struct qcow2bm_edit *other = stage(world.image, "delete b");
	char path[] = "/tmp/qcow2bm-phases.XXXXXX";
	assert_true(mkstemp(path) >= 0 && unlink(path) == 0);
	assert_int_equal(prepare(&world), QCOW2BM_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(qcow2bm_edit_commit(other, NULL, NULL, NULL, NULL),
				 QCOW2BM_EINVAL);
		assert_int_equal(plan_copied(other, 0, &plan, NULL, NULL),
				 QCOW2BM_EINVAL);
		assert_int_equal(qcow2bm_edit_delete(world.edit, "c", 1, NULL),
				 QCOW2BM_EINVAL);
		assert_int_equal(qcow2bm_edit_begin(&third, world.image, NULL),
				 QCOW2BM_EINVAL);
		assert_int_equal(qcow2bm_undo_begin(world.image, path, NULL),
				 QCOW2BM_EINVAL);
		assert_int_not_equal(access(path, F_OK), 0);
		if (i == 0)
			assert_int_equal(switch_over(&world), QCOW2BM_OK);
	}
	assert_int_equal(finish(&world), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_commit(other, NULL, NULL, NULL, NULL),
			 QCOW2BM_EINVAL);
	expect_bitmaps(&world, 2);
	qcow2bm_edit_end(other);
	close_world(&world);
}

static void an_undo_file_has_all_phases(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, "small", "delete a");
	char path[] = "/tmp/qcow2bm-phases.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0 && close(fd) == 0 && unlink(path) == 0);
	assert_int_equal(qcow2bm_undo_begin(world.image, path, NULL), QCOW2BM_OK);
	assert_int_equal(prepare(&world), QCOW2BM_OK);
	assert_int_equal(qcow2bm_undo_end(world.image, NULL), QCOW2BM_EINVAL);
	assert_int_equal(switch_over(&world), QCOW2BM_OK);
	assert_int_equal(finish(&world), QCOW2BM_OK);
	assert_int_equal(qcow2bm_undo_end(world.image, NULL), QCOW2BM_OK);
	assert_int_equal(unlink(path), 0);
	close_world(&world);
}

/* A source is read while its image is prepared, and no more when that is switched. */
static void a_source_is_read_before_its_image_is_switched(void **state)
{
	(void)state;
	struct world from, to;
	open_world(&from, "small", "delete a");
	open_world(&to, "small", "clear b");
	assert_int_equal(edit_case_stage(to.edit, from.image, "merge-from b a", NULL),
			 QCOW2BM_OK);
	assert_int_equal(prepare(&from), QCOW2BM_OK);
	assert_int_equal(prepare(&to), QCOW2BM_OK);
	assert_int_equal(roll_back(&to), QCOW2BM_OK);
	assert_int_equal(switch_over(&from), QCOW2BM_OK);
	assert_int_equal(prepare(&to), QCOW2BM_EINVAL);
	assert_int_equal(finish(&from), QCOW2BM_OK);
	assert_int_equal(prepare(&to), QCOW2BM_EINVAL);
	expect_bitmaps(&to, 3);
	close_world(&to);
	close_world(&from);
}

static void the_end_of_an_edit_leaves_no_phase_open(void **state)
{
	(void)state;
	struct world world;
	for (int phases = 1; phases <= 2; phases++) {
		open_world(&world, "small", "delete a, add n, merge n b, clear c");
		assert_int_equal(prepare(&world), QCOW2BM_OK);
		if (phases == 2)
			assert_int_equal(switch_over(&world), QCOW2BM_OK);
		qcow2bm_edit_end(world.edit);
		expect_bitmaps(&world, 3);
		world.edit = stage(world.image, phases == 1 ? "delete a" : "delete n");
		assert_int_equal(qcow2bm_edit_commit(world.edit, NULL, NULL, NULL, NULL),
				 QCOW2BM_OK);
		expect_bitmaps(&world, 2);
		close_world(&world);
	}
}

/* As after a crash: the image is gone, the edit only forgets. */
static void an_image_may_be_closed_between_phases(void **state)
{
	(void)state;
	struct world world;
	struct strict_image image;
	for (int phases = 1; phases <= 2; phases++) {
		open_world(&world, "small", "delete a");
		assert_int_equal(prepare(&world), QCOW2BM_OK);
		if (phases == 2)
			assert_int_equal(switch_over(&world), QCOW2BM_OK);
		qcow2bm_image_close(world.image);
		world.image = NULL;
		assert_int_equal(switch_over(&world), QCOW2BM_EINVAL);
		assert_int_equal(finish(&world), QCOW2BM_EINVAL);
		assert_int_equal(roll_back(&world), QCOW2BM_EINVAL);
		assert_true(strict_read(&image, world.file.bytes, world.file.length));
		assert_int_equal(image.bitmap_count, phases == 1 ? 3 : 2);
		strict_free(&image);
		close_world(&world);
	}
}

static void an_edit_without_a_change_has_its_phases(void **state)
{
	(void)state;
	/* Nothing is staged; and what is staged comes to nothing once its bits are read. */
	static const char *const words[] = {"add n, delete n", "merge a a"};
	for (size_t i = 0; i < 2; i++) {
		struct world world;
		struct q2_state old, new;
		open_world(&world, "small", words[i]);
		assert_int_equal(prepare(&world), QCOW2BM_OK);
		q2_states_of_edit(world.edit, &old, &new);
		assert_true(q2_states_are_same(&old, &new));
		assert_int_equal(switch_over(&world), QCOW2BM_OK);
		assert_int_equal(finish(&world), QCOW2BM_OK);
		assert_true(world.result.switched);
		assert_int_equal(world.result.syncs, 1);
		assert_memory_equal(world.file.bytes, world.before.bytes,
				    world.before.length);
		close_world(&world);
	}
}

/* That the image of this file holds. */
static void expect_state(const struct memory_file *file, const struct q2_state *wanted)
{
	struct memory_file shown = *file;
	struct qcow2bm_image *image;
	struct q2_state state;
	assert_int_equal(q2_image_open(&image, memory_storage_open(&shown), NULL),
			 QCOW2BM_OK);
	q2_states_of_image(image, &state);
	assert_true(q2_states_are_same(&state, wanted));
	qcow2bm_image_close(image);
}

/* Told when the edit is prepared, found in the file after each phase: in every form of switch. */
static void both_states_are_known_before_the_switch(void **state)
{
	(void)state;
	static const struct edit_case cases[] = {
		{"small", "add n, merge n a"}, {"none", "add n"},
		{"one", "delete a"},           {"none-far", "add n"},
		{"device-full", "delete a"},   {"device-full", "delete c"},
		{"device-full", "disable a"},  {"payload-at-504-backing", "clear a"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world world;
		struct q2_state old, new;
		open_world(&world, cases[i].image, cases[i].edit);
		assert_int_equal(prepare(&world), QCOW2BM_OK);
		q2_states_of_edit(world.edit, &old, &new);
		assert_false(q2_states_are_same(&old, &new));
		expect_state(&world.file, &old);
		assert_int_equal(switch_over(&world), QCOW2BM_OK);
		expect_state(&world.file, &new);
		close_world(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phases_come_in_their_order),
		cmocka_unit_test(what_is_rolled_back_can_be_prepared_again),
		cmocka_unit_test(nothing_else_is_done_to_a_prepared_image),
		cmocka_unit_test(an_undo_file_has_all_phases),
		cmocka_unit_test(a_source_is_read_before_its_image_is_switched),
		cmocka_unit_test(the_end_of_an_edit_leaves_no_phase_open),
		cmocka_unit_test(an_image_may_be_closed_between_phases),
		cmocka_unit_test(an_edit_without_a_change_has_its_phases),
		cmocka_unit_test(both_states_are_known_before_the_switch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
