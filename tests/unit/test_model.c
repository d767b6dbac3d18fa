/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random edits of random images against a model of their bitmaps. After every edit the image is
 * read anew, by the library and by a reader that shares no code with it; faults and power cuts
 * are among what happens. QCOW2BM_SEED and QCOW2BM_STEPS choose another run.
 */
#include "../support/random_edit.h"
#include "model_world.h"
#include "../support/copies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_STEPS 1500

static bool is_interrupted(void *opaque)
{
	struct world *world = opaque;
	return world->looks_left != 0 && --world->looks_left == 0;
}

/* What goes wrong this time, if anything. Writes fail whole: half of a sector is not what a
 * disk leaves behind. */
static void arrange_trouble(struct world *world, struct outcome *outcome)
{
	uint64_t kind = random_below(&world->random, 20);
	world->looks_left =
		kind == 0 ? (unsigned)random_between(&world->random, 1, 5) : 0;
	world->disk.file.limit = 0;
	memset(&world->faults, 0, sizeof(world->faults));
	if (kind == 1 && !world->disk.is_device) {
		uint64_t more = random_below(&world->random, 12)
				<< world->disk.cluster_bits;
		world->disk.file.limit = world->disk.file.length + more;
	}
	if (kind != 2)
		return;
	outcome->has_fault = true;
	world->faults = (struct fault_plan){
		.kinds = random_percent(&world->random, 70) ? FAULT_WRITE | FAULT_SYNC
							    : FAULT_ANY,
		.at = (size_t)random_between(&world->random, 1, 14),
		.from_then_on = random_percent(&world->random, 50),
		.sys_errno = EIO,
	};
}

static bool plan_and_commit(struct world *world, struct qcow2bm_edit *edit,
			    struct outcome *outcome)
{
	struct qcow2bm_error err = {0};
	struct qcow2bm_commit_options options = {
		.size = sizeof(struct qcow2bm_commit_options),
		.flags = (unsigned)random_below(&world->random, 4),
	};
	struct qcow2bm_watch watch = QCOW2BM_WATCH_INIT;
	watch.interrupted = is_interrupted;
	watch.opaque = world;
	enum qcow2bm_code code =
		plan_copied(edit, options.flags, &outcome->plan, NULL, &err);
	CHECK(world, outcome->first_op == world->log.count, "the plan wrote");
	arrange_trouble(world, outcome);
	outcome->code =
		commit_copied(edit, &options, &outcome->result, &watch, &outcome->err);
	memset(&world->faults, 0, sizeof(world->faults));
	if (code != QCOW2BM_OK) {
		CHECK(world, outcome->code == code || outcome->has_fault,
		      "the plan fails with %d, the commit with %d: %s", code,
		      outcome->code, err.sentence);
		CHECK(world, outcome->code != QCOW2BM_OK, "the plan failed: %s",
		      err.sentence);
	}
	return outcome->code == QCOW2BM_OK;
}

/* The edit may have happened though nobody can say so: go by what is on the disk. */
static bool is_switched(struct world *world)
{
	struct inspect inspect;
	const struct memory_file *file = &world->disk.file;
	CHECK(world, inspect_load(&inspect, file->bytes, file->length), "%s",
	      inspect.problem);
	bool is_new = model_compare(&world->staged, &inspect) == NULL;
	bool is_old = model_compare(&world->disk.model, &inspect) == NULL;
	CHECK(world, is_new || is_old, "neither old nor new");
	inspect_free(&inspect);
	return is_new;
}

enum next { GO_ON, REOPEN, END };

static enum next settle(struct world *world, struct outcome *outcome)
{
	bool is_new = outcome->code == QCOW2BM_OK;
	if (outcome->code == QCOW2BM_EUNKNOWN) {
		CHECK(world, outcome->has_fault, "%s", outcome->err.sentence);
		is_new = is_switched(world);
	} else if (is_new) {
		model_world_check_success(world, outcome);
	} else {
		model_world_check_failure(world, outcome);
	}
	if (world->log.count != outcome->first_op)
		model_world_check_power_cut(world, outcome);
	if (is_new) {
		model_free(&world->disk.model);
		world->disk.model = world->staged;
	} else {
		model_free(&world->staged);
	}
	bool is_editable =
		model_world_check_bitmaps(world, &world->disk.model, &world->disk.file);
	CHECK(world, is_editable || outcome->has_fault, "the extension is cut off");
	if (!is_editable)
		return END;
	return outcome->has_fault ? REOPEN : GO_ON;
}

static void stage_one(struct world *world, struct qcow2bm_edit *edit)
{
	struct random_edit random_edit = {
		.random = &world->random,
		.edit = edit,
		.staged = &world->staged,
		.min_granularity_bits = world->disk.min_granularity_bits,
		.other = &world->other.model,
		.other_image = world->other_image,
	};
	struct random_edit_outcome staged = random_edit_stage(&random_edit);
	CHECK(world, staged.code == staged.expected && staged.err.code == staged.code,
	      "%s: code %d, not %d: %s", staged.what, staged.code, staged.expected,
	      staged.err.sentence);
	CHECK(world, (staged.err.sentence[0] != '\0') == (staged.code != QCOW2BM_OK),
	      "%s: no sentence", staged.what);
}

static enum next edit_once(struct world *world)
{
	struct qcow2bm_edit *edit;
	struct outcome outcome = {.first_op = world->log.count};
	enum qcow2bm_code code = qcow2bm_edit_begin(&edit, world->image, &outcome.err);
	CHECK(world, code == QCOW2BM_OK, "begin: %s", outcome.err.sentence);
	model_stage(&world->staged, &world->disk.model);
	memory_file_fill(&world->before, world->disk.file.bytes, world->disk.file.length);
	for (uint64_t n = random_between(&world->random, 1, 5); n > 0; n--)
		stage_one(world, edit);
	if (plan_and_commit(world, edit, &outcome) && outcome.result.syncs == 1 &&
	    !outcome.has_fault)
		CHECK(world, model_is_same(&world->staged, &world->disk.model),
		      "something changed, nothing was written");
	qcow2bm_edit_end(edit);
	enum next next = settle(world, &outcome);
	if (next == GO_ON) {
		const char *problem =
			model_compare_library(&world->disk.model, world->image);
		CHECK(world, problem == NULL, "the open image: %s", problem);
	}
	return next;
}

static void run_image(uint64_t seed, uint64_t edits)
{
	struct world world = {.seed = seed};
	random_seed(&world.random, seed);
	model_world_begin(&world);
	model_world_check_bitmaps(&world, &world.disk.model, &world.disk.file);
	model_world_check_bitmaps(&world, &world.other.model, &world.other.file);
	for (; edits > 0; edits--) {
		enum next next = edit_once(&world);
		if (next == END)
			break;
		if (next == REOPEN || random_percent(&world.random, 20)) {
			qcow2bm_image_close(world.image);
			model_world_open(&world);
		}
	}
	model_world_end(&world);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

static void edits_follow_the_model(void **state)
{
	(void)state;
	uint64_t seed = number_from("QCOW2BM_SEED", 1);
	uint64_t steps = number_from("QCOW2BM_STEPS", DEFAULT_STEPS);
	for (uint64_t done = 0; done < steps; done += EDITS_PER_IMAGE)
		run_image(seed++, EDITS_PER_IMAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edits_follow_the_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
