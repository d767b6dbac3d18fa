/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Old bitmaps in free clusters: which are found, and what is told of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "carve_world.h"

/* Only the directory moves. */
static enum qcow2bm_code rename_one(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	const char *name = carve_world.names[carve_world.staged_idx];
	return qcow2bm_edit_rename(edit, name, sizeof(carve_world.names[0]), "new", 3,
				   err);
}

static void look_through_windows(const struct carve_seen *whole)
{
	static struct carve_seen parts;
	for (unsigned shift = 0; shift < 8; shift++) {
		carve_world_look(&parts, shift);
		assert_int_equal(parts.count, whole->count);
		assert_memory_equal(parts.first, whole->first, sizeof(parts.first));
		assert_memory_equal(parts.all, whole->all, sizeof(parts.all));
	}
}

static void every_entry_is_found_whatever_the_window(void **state)
{
	(void)state;
	static struct carve_seen whole;
	for (unsigned cluster_bits = 9; cluster_bits <= 16; cluster_bits++) {
		carve_world_make(cluster_bits, cluster_bits);
		carve_world_run(carve_world_delete_all);
		carve_world_look(&whole, Q2_CARVE_WINDOW_SHIFT);
		assert_int_equal(whole.count, CARVE_BITMAPS);
		for (size_t i = 0; i < CARVE_BITMAPS; i++) {
			assert_int_equal(whole.first[i], 'a' + (int)i);
			assert_int_equal(whole.all[i].idx, i);
			assert_int_equal(whole.all[i].state, QCOW2BM_CARVED_INTACT);
			assert_int_equal(whole.all[i].granularity_bits,
					 carve_world_granularity_bits[i]);
			assert_int_equal(whole.all[i].recording,
					 carve_world_flags[i] != 0);
			assert_true(whole.all[i].fits_disk);
		}
		look_through_windows(&whole);
		carve_world_forget();
	}
}

/* Cuts off the free clusters at the end of the file. */
static void trim(void)
{
	const struct inspect *inspect = &carve_world.edit.inspect;
	uint64_t clusters = inspect->clusters;
	while (inspect->refs[clusters - 1] == 0)
		clusters--;
	memory_file_resize(&carve_world.edit.file, clusters << inspect->cluster_bits);
}

/* Clusters in use stand behind the old directory, and at the end of the file. */
static void a_directory_between_others_is_found(void **state)
{
	(void)state;
	static struct carve_seen whole;
	for (uint64_t seed = 0; seed < 40; seed++) {
		carve_world_make(seed, 9);
		carve_world.staged_idx = seed % CARVE_BITMAPS;
		if (seed % 2 == 0) {
			carve_world_run(carve_world_delete_one);
		} else {
			carve_world.build.gap_percent = 0;
			build_image(&carve_world.build, &carve_world.edit.file);
			carve_world_run(rename_one);
		}
		trim();
		carve_world_look(&whole, Q2_CARVE_WINDOW_SHIFT);
		assert_int_equal(whole.count, CARVE_BITMAPS);
		look_through_windows(&whole);
		carve_world_forget();
	}
}

static void no_more_is_looked_at_than_that(void **state)
{
	(void)state;
	static struct q2_remains remains;
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	carve_world_make(65, 9);
	carve_world.staged_idx = 0;
	carve_world_run(carve_world_delete_one);
	struct qcow2bm_carved carved = carve_world_find(0, QCOW2BM_CARVED_INTACT);
	assert_int_equal(
		q2_image_open(&image, memory_storage_open(&carve_world.edit.file), NULL),
		QCOW2BM_OK);
	assert_int_equal(qcow2bm_image_check(image, NULL, &report, NULL, NULL),
			 QCOW2BM_OK);
	/* Enough for the table, for all, and, as it is known then, for any number of times. */
	static const uint64_t budgets[] = {0, 1024, 1 << 20, 0};
	static const enum qcow2bm_carved_state states[] = {
		QCOW2BM_CARVED_NOT_JUDGED, QCOW2BM_CARVED_NOT_JUDGED,
		QCOW2BM_CARVED_INTACT, QCOW2BM_CARVED_INTACT};
	assert_int_equal(q2_remains_open(&remains, image, report, NULL), QCOW2BM_OK);
	for (size_t i = 0; i < 4; i++) {
		remains.budget_bytes = budgets[i];
		if (i < 3)
			memset(remains.known, 0, sizeof(remains.known));
		assert_int_equal(q2_remains_judge(&remains, &carved, NULL), QCOW2BM_OK);
		assert_int_equal(carved.state, states[i]);
	}
	q2_remains_close(&remains);
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
	carve_world_forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_is_found_whatever_the_window),
		cmocka_unit_test(a_directory_between_others_is_found),
		cmocka_unit_test(no_more_is_looked_at_than_that),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
