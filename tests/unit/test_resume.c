/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What resume takes for proof: the first image is new, the second old, and something has happened to
 * one of them since. */
#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cut_off.h"
#include "edit/intent_file.h"
#include "edit/change_refcounts.h"
#include "edit/resume.h"
#include "edit/together.h"

#define IMAGES CUT_OFF_IMAGES
#define COMPATIBLE_FEATURES_OFF 80

struct world {
	struct cut_off cut;
	struct q2_intent intent;
	struct qcow2bm_error err;
};

static void open_world(struct world *world, const char *first, const char *second)
{
	bool is_whole;
	memset(world, 0, sizeof(*world));
	assert_true(cut_off_make(&world->cut, first, second));
	struct q2_storage *file = memory_storage_open(&world->cut.file);
	assert_int_equal(q2_intent_load(&world->intent, file, &is_whole, NULL),
			 QCOW2BM_OK);
	assert_true(is_whole);
	q2_storage_close(file);
}

static void close_world(struct world *world)
{
	q2_intent_free(&world->intent);
	cut_off_free(&world->cut);
}

/* The outcome, or -1 when it is refused. */
static int decide(struct world *world)
{
	struct q2_storage *storages[IMAGES];
	struct q2_resume resume;
	enum qcow2bm_resume_outcome outcome;
	memset(&world->err, 0, sizeof(world->err));
	for (size_t i = 0; i < IMAGES; i++)
		storages[i] = memory_storage_open(&world->cut.images[i]);
	assert_int_equal(q2_resume_open(&resume, &world->intent, storages, NULL, NULL),
			 QCOW2BM_OK);
	enum qcow2bm_code code = q2_resume_decide(&resume, &outcome, &world->err);
	q2_resume_close(&resume);
	assert_true(code == QCOW2BM_OK || code == QCOW2BM_EINVAL);
	return code == QCOW2BM_OK ? (int)outcome : -1;
}

static void refuses(struct world *world, const char *words)
{
	assert_int_equal(decide(world), -1);
	if (strstr(world->err.sentence, words) == NULL)
		fail_msg("%s", world->err.sentence);
}

static void let_time_pass(struct world *world)
{
	for (size_t i = 0; i < IMAGES; i++)
		world->cut.images[i].writes++;
}

/* Changes the last cluster of the set that is not the directory: bits, or a table of which only an
 * entry that is all-zero changes. */
static void change(struct world *world, size_t i, const struct q2_clusters *set)
{
	const struct q2_intent_image *noted = &world->intent.images[i];
	struct q2_bitmaps_extension old_one, new_one;
	q2_bitmaps_extension_decode(&old_one, noted->old_state.extension,
				    sizeof(noted->old_state.extension));
	q2_bitmaps_extension_decode(&new_one, noted->new_state.extension,
				    sizeof(noted->new_state.extension));
	for (size_t r = set->count; r-- > 0;)
		for (uint64_t k = set->runs[r].count; k-- > 0;) {
			uint64_t off = (set->runs[r].first + k) << noted->cluster_bits;
			if (off == old_one.directory_off || off == new_one.directory_off)
				continue;
			world->cut.images[i]
				.bytes[off + ((uint64_t)1 << noted->cluster_bits) - 1] ^=
				1;
			return;
		}
	fail_msg("the set has the directory alone");
}

/* ---- Nothing has happened ------------------------------------------------------------------ */

static void what_nobody_touched_is_finished(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, "delete a", "merge b a, delete a");
	assert_int_equal(decide(&world), QCOW2BM_RESUME_FINISHED);
	let_time_pass(&world);
	assert_int_equal(decide(&world), QCOW2BM_RESUME_FINISHED);
	close_world(&world);
}

/* A bitmap that begins now misses what the guest wrote before it began. */
static void a_bitmap_that_begins_wants_the_time(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, "add n", "add n");
	assert_int_equal(decide(&world), QCOW2BM_RESUME_FINISHED);
	let_time_pass(&world);
	assert_int_equal(decide(&world), QCOW2BM_RESUME_TAKEN_BACK);
	/* The old bitmaps do not know what was written since they went. */
	close_world(&world);
	open_world(&world, "delete a, delete b, delete c", "add n");
	let_time_pass(&world);
	refuses(&world,
		"a is as after, b as before; it cannot be finished (b: the guest");
	close_world(&world);
}

/* ---- The second image ---------------------------------------------------------------------- */

static void new_clusters_must_be_as_prepared(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, "delete a", "merge b a, delete a");
	change(&world, 1, &world.intent.images[1].written.set);
	refuses(&world, "b: clusters of bitmaps were written since");
	close_world(&world);
	open_world(&world, "add n", "add n");
	change(&world, 1, &world.intent.images[1].written.set);
	assert_int_equal(decide(&world), QCOW2BM_RESUME_TAKEN_BACK);
	close_world(&world);
}

static void free_clusters(struct world *world, size_t i, const struct q2_clusters *set)
{
	struct qcow2bm_image *image;
	struct q2_refcounts refcounts;
	uint64_t writes = world->cut.images[i].writes;
	assert_int_equal(
		q2_image_open(&image, memory_storage_open(&world->cut.images[i]), NULL),
		QCOW2BM_OK);
	assert_int_equal(q2_refcounts_open(&refcounts, image, NULL), QCOW2BM_OK);
	assert_int_equal(q2_change_refcounts(&refcounts, set, Q2_CHANGE_TO_ZERO, NULL),
			 QCOW2BM_OK);
	q2_refcounts_close(&refcounts);
	qcow2bm_image_close(image);
	world->cut.images[i].writes = writes;
}

static void new_clusters_must_be_counted(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, "delete a", "delete a");
	free_clusters(&world, 1, &world.intent.images[1].written.set);
	refuses(&world, "b: clusters that it needs were freed or taken since");
	close_world(&world);
}

static void bits_that_were_read_must_be_the_same(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, "delete a", "merge b a, delete a");
	let_time_pass(&world);
	change(&world, 1, &world.intent.images[1].given_up.set);
	refuses(&world, "b: clusters of bitmaps were written since");
	close_world(&world);
	open_world(&world, "delete a", "merge c a");
	let_time_pass(&world);
	change(&world, 1, &world.intent.images[1].used.set);
	refuses(&world, "b: clusters of bitmaps were written since");
	close_world(&world);
}

static void the_header_must_be_the_same(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, "delete a", "delete a");
	world.cut.images[1].bytes[COMPATIBLE_FEATURES_OFF] ^= 1;
	refuses(&world, "b: the header was written since");
	close_world(&world);
}

/* ---- The first image ------------------------------------------------------------------------ */

static void old_clusters_must_be_whole(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, "add n, clear a", "add n");
	let_time_pass(&world);
	assert_int_equal(decide(&world), QCOW2BM_RESUME_TAKEN_BACK);
	free_clusters(&world, 0, &world.intent.images[0].given_up.set);
	refuses(&world, "nor taken back (a: clusters that it needs were freed");
	close_world(&world);
	open_world(&world, "add n, clear a", "add n");
	let_time_pass(&world);
	change(&world, 0, &world.intent.images[0].given_up.set);
	refuses(&world, "nor taken back (a: clusters of bitmaps were written since");
	close_world(&world);
}

/* QEMU has written into the bitmap that began. */
static void a_new_bitmap_must_be_empty_still(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, "add n", "add n");
	let_time_pass(&world);
	change(&world, 0, &world.intent.images[0].written.set);
	refuses(&world, "nor taken back (a: clusters of bitmaps were written since");
	close_world(&world);
}

/* QEMU has it open, or had it, and left the bitmaps in-use. */
static void another_directory_is_neither_state(void **state)
{
	(void)state;
	struct world world;
	struct qcow2bm_image *image;
	open_world(&world, "delete a", "delete a");
	assert_int_equal(
		q2_image_open(&image, memory_storage_open(&world.cut.images[1]), NULL),
		QCOW2BM_OK);
	uint64_t off = image->directory.bitmaps[0].off;
	qcow2bm_image_close(image);
	world.cut.images[1].bytes[off + Q2_DIRECTORY_FLAGS_OFF + 3] |= 1;
	refuses(&world, "an image was changed since: a is as after, b neither");
	world.cut.images[1].bytes[0] ^= 1; /* no image at all */
	refuses(&world, "b neither");
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_touched_is_finished),
		cmocka_unit_test(a_bitmap_that_begins_wants_the_time),
		cmocka_unit_test(new_clusters_must_be_as_prepared),
		cmocka_unit_test(new_clusters_must_be_counted),
		cmocka_unit_test(bits_that_were_read_must_be_the_same),
		cmocka_unit_test(the_header_must_be_the_same),
		cmocka_unit_test(old_clusters_must_be_whole),
		cmocka_unit_test(a_new_bitmap_must_be_empty_still),
		cmocka_unit_test(another_directory_is_neither_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
