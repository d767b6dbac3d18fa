/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two images are prepared, then switched, then finished; the second reads a bitmap that the first
 * gives up, so it is switched before. The power is cut at every moment, with what survives drawn at
 * random: each image holds one of the two states that were told when both were prepared, and doing
 * the same again where the old one is makes both new.
 */
#include "../support/edit_cases.h"
#include "../support/random.h"
#include "../support/record_storage.h"
#include "../support/strict_reader.h"
#include "edit/states.h"
#include "../support/copies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CUTS 12 /* of each moment */
#define MAX_MOMENTS 400

enum { GIVER, READER, IMAGES };

/* The merge is idempotent: done again on its result it changes nothing. */
static const char *const words[IMAGES] = {
	"merge b a, delete a",
	"add n, merge-from n a, clear c",
};

struct kept_state {
	struct q2_state state;
	uint8_t *bytes;
};

struct world {
	struct memory_file before[IMAGES];
	struct record_log logs[IMAGES];
	struct strict_image after[IMAGES];
	struct memory_file after_files[IMAGES];
	struct kept_state old[IMAGES], new[IMAGES];
	size_t moments[MAX_MOMENTS][IMAGES]; /* how much of each log had been done */
	size_t moment_count, first_switch;
	unsigned seen[2][2]; /* by which of them were new */
};

static void keep(struct kept_state *kept, const struct q2_state *state)
{
	kept->state = *state;
	kept->bytes = malloc(state->size + 1);
	assert_non_null(kept->bytes);
	if (state->size != 0)
		memcpy(kept->bytes, state->bytes, state->size);
	kept->state.bytes = kept->bytes;
}

/* All that was done since the last time, operation by operation. */
static void note_moments(struct world *world)
{
	size_t last[IMAGES] = {0};
	if (world->moment_count != 0)
		memcpy(last, world->moments[world->moment_count - 1], sizeof(last));
	for (size_t i = 0; i < IMAGES; i++)
		while (last[i] < world->logs[i].count) {
			last[i]++;
			assert_true(world->moment_count < MAX_MOMENTS);
			memcpy(world->moments[world->moment_count++], last, sizeof(last));
		}
}

static struct qcow2bm_image *open_image(struct q2_storage *storage)
{
	struct qcow2bm_image *image;
	assert_int_equal(q2_image_open(&image, storage, NULL), QCOW2BM_OK);
	return image;
}

static struct qcow2bm_edit *stage(struct qcow2bm_image *const images[IMAGES], size_t i)
{
	struct qcow2bm_edit *edit;
	struct qcow2bm_error err = {0};
	assert_int_equal(qcow2bm_edit_begin(&edit, images[i], &err), QCOW2BM_OK);
	if (edit_case_stage(edit, images[GIVER], words[i], &err) != QCOW2BM_OK)
		fail_msg("%s", err.sentence);
	return edit;
}

static void record(struct world *world)
{
	struct memory_file files[IMAGES] = {{0}};
	struct qcow2bm_image *images[IMAGES];
	struct qcow2bm_edit *edits[IMAGES];
	for (size_t i = 0; i < IMAGES; i++) {
		assert_true(edit_case_image("small", &world->before[i]));
		memory_file_fill(&files[i], world->before[i].bytes,
				 world->before[i].length);
		images[i] = open_image(record_storage_open(memory_storage_open(&files[i]),
							   &world->logs[i]));
	}
	for (size_t i = 0; i < IMAGES; i++)
		edits[i] = stage(images, i);
	for (size_t i = 0; i < IMAGES; i++) {
		struct q2_state old, new;
		assert_int_equal(prepare_copied(edits[i], NULL, NULL, NULL, NULL),
				 QCOW2BM_OK);
		q2_states_of_edit(edits[i], &old, &new);
		assert_false(q2_states_are_same(&old, &new));
		keep(&world->old[i], &old);
		keep(&world->new[i], &new);
		note_moments(world);
	}
	world->first_switch = world->moment_count;
	for (size_t i = IMAGES; i-- > 0;) {
		assert_int_equal(phase_copied(qcow2bm_edit_switch, edits[i], NULL, NULL),
				 QCOW2BM_OK);
		note_moments(world);
	}
	for (size_t i = 0; i < IMAGES; i++) {
		struct qcow2bm_result result;
		assert_int_equal(
			phase_copied(qcow2bm_edit_finish, edits[i], &result, NULL),
			QCOW2BM_OK);
		assert_int_equal(result.leaked_clusters, 0);
		note_moments(world);
	}
	for (size_t i = 0; i < IMAGES; i++) {
		qcow2bm_edit_end(edits[i]);
		qcow2bm_image_close(images[i]);
		world->after_files[i] = files[i];
		assert_true(
			strict_read(&world->after[i], files[i].bytes, files[i].length));
	}
}

/* 1 when the image is in its new state. */
static bool find_state(struct world *world, size_t moment, size_t i,
		       const struct qcow2bm_image *image)
{
	struct q2_state state;
	q2_states_of_image(image, &state);
	bool is_old = q2_states_are_same(&state, &world->old[i].state);
	bool is_new = q2_states_are_same(&state, &world->new[i].state);
	if (is_old == is_new)
		fail_msg("moment %zu: image %zu holds neither state", moment, i);
	return is_new;
}

static void go_forward(struct qcow2bm_image *const images[IMAGES],
		       const bool is_new[IMAGES])
{
	for (size_t i = IMAGES; i-- > 0;) {
		struct qcow2bm_edit *edit;
		struct qcow2bm_error err = {0};
		if (is_new[i])
			continue;
		edit = stage(images, i);
		if (qcow2bm_edit_commit(edit, NULL, NULL, NULL, &err) != QCOW2BM_OK)
			fail_msg("%s", err.sentence);
		qcow2bm_edit_end(edit);
	}
}

static void cut(struct world *world, size_t moment, struct random *random)
{
	struct memory_file files[IMAGES] = {{0}};
	struct qcow2bm_image *images[IMAGES];
	bool is_new[IMAGES];
	for (size_t i = 0; i < IMAGES; i++) {
		size_t prefix = world->moments[moment][i];
		size_t pieces = record_log_pieces(&world->logs[i], prefix, 512);
		bool *survives = calloc(pieces + 1, sizeof(*survives));
		assert_non_null(survives);
		for (size_t k = 0; k < pieces; k++)
			survives[k] = random_below(random, 2) != 0;
		record_log_cut(&world->logs[i], prefix, 512, survives, &files[i]);
		free(survives);
		images[i] = open_image(memory_storage_open(&files[i]));
		is_new[i] = find_state(world, moment, i, images[i]);
	}
	world->seen[is_new[GIVER]][is_new[READER]]++;
	if (moment < world->first_switch)
		assert_false(is_new[GIVER] || is_new[READER]);
	go_forward(images, is_new);
	for (size_t i = 0; i < IMAGES; i++) {
		struct strict_image now;
		qcow2bm_image_close(images[i]);
		if (!strict_read(&now, files[i].bytes, files[i].length) ||
		    !strict_same_bitmaps(&now, &world->after[i]))
			fail_msg("moment %zu: image %zu is not as it was to become",
				 moment, i);
		strict_free(&now);
		memory_file_free(&files[i]);
	}
}

static void a_cut_leaves_what_can_be_finished(void **state)
{
	(void)state;
	static struct world world;
	struct random random;
	random_seed(&random, 20);
	record(&world);
	for (size_t moment = 0; moment < world.moment_count; moment++)
		for (unsigned i = 0; i < CUTS; i++)
			cut(&world, moment, &random);
	printf("%zu moments; both old %u, the reader new %u, both new %u\n",
	       world.moment_count, world.seen[0][0], world.seen[0][1], world.seen[1][1]);
	assert_true(world.seen[0][0] != 0 && world.seen[0][1] != 0 &&
		    world.seen[1][1] != 0);
	assert_int_equal(world.seen[1][0], 0);
	for (size_t i = 0; i < IMAGES; i++) {
		strict_free(&world.after[i]);
		memory_file_free(&world.after_files[i]);
		memory_file_free(&world.before[i]);
		record_log_free(&world.logs[i]);
		free(world.old[i].bytes);
		free(world.new[i].bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_leaves_what_can_be_finished),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
