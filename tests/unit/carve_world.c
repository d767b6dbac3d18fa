/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The world of the tests of carving: see carve_world.h. */
#include "carve_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

const uint8_t carve_world_granularity_bits[CARVE_BITMAPS] = {9, 12, 10, 16, 9};
const uint32_t carve_world_flags[CARVE_BITMAPS] = {BUILD_FLAG_AUTO, 0, BUILD_FLAG_AUTO, 0,
						   0};

struct carve_world carve_world;

void carve_world_make(uint64_t seed, unsigned cluster_bits)
{
	struct random random;
	random_seed(&random, seed);
	memset(&carve_world, 0, sizeof(carve_world));
	carve_world.build = (struct build){
		.seed = seed,
		.cluster_bits = cluster_bits,
		.refcount_order = 4,
		.virtual_bytes = CARVE_DISK_BYTES,
		.guest_clusters = 40,
		.gap_percent = 30,
		.bitmaps = carve_world.bitmaps,
		.bitmap_count = CARVE_BITMAPS,
	};
	for (size_t i = 0; i < CARVE_BITMAPS; i++) {
		uint64_t count =
			build_bits(CARVE_DISK_BYTES, carve_world_granularity_bits[i]);
		carve_world.bits[i] = calloc(count, 1);
		assert_non_null(carve_world.bits[i]);
		for (uint64_t bit = 0; bit < count; bit++)
			carve_world.bits[i][bit] = random_percent(&random, 3);
		carve_world.bits[i][0] = 1;
		memset(carve_world.names[i], 'a' + (int)i, sizeof(carve_world.names[i]));
		carve_world.bitmaps[i] = (struct build_bitmap){
			.name = carve_world.names[i],
			.name_bytes = sizeof(carve_world.names[i]),
			.flags = carve_world_flags[i],
			.granularity_bits = carve_world_granularity_bits[i],
			.bits = carve_world.bits[i],
		};
	}
	build_image(&carve_world.build, &carve_world.edit.file);
}

void carve_world_forget(void)
{
	for (size_t i = 0; i < CARVE_BITMAPS; i++)
		free(carve_world.bits[i]);
	one_edit_free(&carve_world.edit);
}

void carve_world_run(stage_fn *stage)
{
	if (one_edit_run(&carve_world.edit, stage, QCOW2BM_COMMIT_NO_DISCARD) !=
	    QCOW2BM_OK)
		fail_msg("%s", carve_world.edit.err.sentence);
	assert_true(carve_world.edit.is_sound);
}

enum qcow2bm_code carve_world_delete_one(struct qcow2bm_edit *edit,
					 struct qcow2bm_error *err)
{
	const char *name = carve_world.names[carve_world.staged_idx];
	return qcow2bm_edit_delete(edit, name, sizeof(carve_world.names[0]), err);
}

enum qcow2bm_code carve_world_delete_all(struct qcow2bm_edit *edit,
					 struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (carve_world.staged_idx = 0;
	     code == QCOW2BM_OK && carve_world.staged_idx < CARVE_BITMAPS;
	     carve_world.staged_idx++)
		code = carve_world_delete_one(edit, err);
	return code;
}

static int see(void *opaque, const struct qcow2bm_carved *carved)
{
	struct carve_seen *seen = opaque;
	assert_true(seen->count < CARVE_SEEN_MOST);
	seen->first[seen->count] = carved->name[0];
	seen->all[seen->count] = *carved;
	seen->all[seen->count++].name = NULL;
	return 0;
}

void carve_world_look(struct carve_seen *seen, unsigned window_shift)
{
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	struct qcow2bm_error err = {0};
	memset(seen, 0, sizeof(*seen));
	assert_int_equal(
		q2_image_open(&image, memory_storage_open(&carve_world.edit.file), &err),
		QCOW2BM_OK);
	assert_int_equal(qcow2bm_image_check(image, NULL, &report, NULL, &err),
			 QCOW2BM_OK);
	if (q2_carve_run(image, report, window_shift, see, seen, &err) != QCOW2BM_OK)
		fail_msg("%s", err.sentence);
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
}

struct qcow2bm_carved carve_world_find(size_t idx, enum qcow2bm_carved_state state)
{
	struct carve_seen seen;
	carve_world_look(&seen, Q2_CARVE_WINDOW_SHIFT);
	for (size_t i = seen.count; i-- > 0;)
		if (seen.first[i] == 'a' + (int)idx && seen.all[i].state == state)
			return seen.all[i];
	fail_msg("bitmap %zu is not found in state %d", idx, (int)state);
	abort();
}

bool carve_world_is_seen(size_t idx, enum qcow2bm_carved_state state)
{
	struct carve_seen seen;
	carve_world_look(&seen, Q2_CARVE_WINDOW_SHIFT);
	for (size_t i = 0; i < seen.count; i++)
		if (seen.first[i] == 'a' + (int)idx && seen.all[i].state == state)
			return true;
	return false;
}
