/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two images are edited together while one call on one of the files fails, each in its turn, once or
 * from then on: a failure leaves both old, an unknown outcome is resumed, and success is success. */
#define _POSIX_C_SOURCE 200809L

#include "../support/edit_cases.h"
#include "../support/fault_storage.h"
#include "../support/strict_reader.h"
#include "edit/intent_file.h"
#include "edit/resume.h"
#include "edit/together.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { INTENT = 2, FILES };

struct world {
	struct memory_file files[FILES];
	struct fault_plan faults[FILES];
	bool has_intent;
	unsigned done, failed, unknown;
};

static enum qcow2bm_code create(void *opaque, struct q2_storage **file,
				struct qcow2bm_error *err)
{
	struct world *world = opaque;
	(void)err;
	world->has_intent = true;
	*file = fault_storage_open(memory_storage_open(&world->files[INTENT]),
				   &world->faults[INTENT]);
	return QCOW2BM_OK;
}

static enum qcow2bm_code discard(void *opaque, struct qcow2bm_error *err)
{
	(void)err;
	((struct world *)opaque)->has_intent = false;
	return QCOW2BM_OK;
}

static enum qcow2bm_code resolve(void *opaque, const char *filename, char **path,
				 struct qcow2bm_error *err)
{
	(void)opaque;
	(void)err;
	*path = strdup(filename);
	return QCOW2BM_OK;
}

static enum qcow2bm_code commit(struct world *world)
{
	struct qcow2bm_image *images[2];
	struct qcow2bm_together_edit edits[2];
	struct q2_intent_place place = {"/d/i", world, create, discard, resolve};
	struct q2_together together = {.edits = edits, .count = 2, .place = &place};
	for (size_t i = 0; i < 2; i++) {
		assert_true(edit_case_image("small", &world->files[i]));
		unsigned kinds = world->faults[i].kinds;
		world->faults[i].kinds = 0;
		struct q2_storage *storage = fault_storage_open(
			memory_storage_open(&world->files[i]), &world->faults[i]);
		assert_int_equal(q2_image_open(&images[i], storage, NULL), QCOW2BM_OK);
		assert_int_equal(qcow2bm_edit_begin(&edits[i].edit, images[i], NULL),
				 QCOW2BM_OK);
		assert_int_equal(
			edit_case_stage(edits[i].edit, NULL, "merge b a, delete a", NULL),
			QCOW2BM_OK);
		edits[i].filename = i == 0 ? "/d/a" : "/d/b";
		world->faults[i].kinds = kinds;
	}
	enum qcow2bm_code code = q2_together_commit(&together, NULL);
	for (size_t i = 0; i < 2; i++) {
		qcow2bm_edit_end(edits[i].edit);
		qcow2bm_image_close(images[i]);
	}
	return code;
}

static void resume(struct world *world)
{
	struct q2_storage *storages[2],
		*file = memory_storage_open(&world->files[INTENT]);
	struct q2_intent intent;
	struct q2_resume resuming;
	enum qcow2bm_resume_outcome outcome;
	bool is_whole;
	assert_int_equal(q2_intent_load(&intent, file, &is_whole, NULL), QCOW2BM_OK);
	assert_true(is_whole);
	q2_storage_close(file);
	for (size_t i = 0; i < 2; i++)
		storages[i] = memory_storage_open(&world->files[i]);
	assert_int_equal(q2_resume_open(&resuming, &intent, storages, NULL, NULL),
			 QCOW2BM_OK);
	assert_int_equal(q2_resume_decide(&resuming, &outcome, NULL), QCOW2BM_OK);
	assert_int_equal(q2_resume_do(&resuming, outcome, NULL), QCOW2BM_OK);
	q2_resume_close(&resuming);
	q2_intent_free(&intent);
}

/* How many bitmaps both have: 3 are the old state, 2 the new one. */
static size_t count_bitmaps(const struct world *world)
{
	size_t counts[2];
	for (size_t i = 0; i < 2; i++) {
		struct strict_image image;
		assert_true(strict_read(&image, world->files[i].bytes,
					world->files[i].length));
		counts[i] = image.bitmap_count;
		strict_free(&image);
	}
	assert_int_equal(counts[0], counts[1]);
	return counts[0];
}

static void judge(struct world *world, enum qcow2bm_code code)
{
	if (code == QCOW2BM_EUNKNOWN) {
		world->unknown++;
		assert_true(world->has_intent);
		resume(world);
		assert_int_equal(count_bitmaps(world), 2);
		return;
	}
	assert_false(world->has_intent);
	assert_int_equal(count_bitmaps(world), code == QCOW2BM_OK ? 2 : 3);
	world->done += code == QCOW2BM_OK;
	world->failed += code != QCOW2BM_OK;
}

static void each_failure_leaves_both_alike(void **state)
{
	(void)state;
	static struct world world;
	for (size_t i = 0; i < FILES; i++)
		for (int then_on = 0; then_on < 2; then_on++)
			for (size_t at = 1, hit = 1; hit != 0; at++) {
				memset(world.faults, 0, sizeof(world.faults));
				world.has_intent = false;
				world.faults[i] =
					(struct fault_plan){.kinds = FAULT_ANY,
							    .at = at,
							    .from_then_on = then_on != 0,
							    .half_first = true,
							    .half_unit = 512,
							    .sys_errno = EIO};
				enum qcow2bm_code code = commit(&world);
				hit = world.faults[i].failures;
				judge(&world, code);
				for (size_t k = 0; k < FILES; k++)
					memory_file_free(&world.files[k]);
			}
	printf("%u done, %u failed, %u unknown\n", world.done, world.failed,
	       world.unknown);
	assert_true(world.done != 0 && world.failed != 0 && world.unknown != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_failure_leaves_both_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
