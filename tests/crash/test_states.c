/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every edit is recorded, every state that a power cut can leave of it is judged, for disks that
 * write 512 bytes whole and for those that write 4096: the old bitmaps or the new ones, the
 * guest's data and the header as they were, at most leaks; and qemu-img check says so of some.
 * Environment: QCOW2BM_CRASH_ALL=N looks at all states between two syncs when there are no
 * more than N, and at N/16 at random where there are more.
 */
#include "../support/crash_trial.h"
#include "../support/edit_cases.h"
#include "../support/qemu_check.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KNOWN_AUTOCLEAR 3u
#define INCOMPATIBLE_DATA_FILE 4u

/* What the steps of an edit did to the header, as far as all of them together must have
 * reached every path. */
enum path {
	PATH_FIRST = 1u << 0,
	PATH_LAST = 1u << 1,
	PATH_PADDING = 1u << 2,
	PATH_BACKING = 1u << 3,
	PATH_AUTOCLEAR = 1u << 4,
	PATH_TABLE = 1u << 5,
	PATH_BLOCK = 1u << 6,
	PATH_ALL = (1u << 7) - 1
};

static unsigned paths_of(const struct crash_trial *trial)
{
	const struct strict_image *before = &trial->before, *after = &trial->after;
	unsigned paths = 0;
	if (before->bitmap_count == 0)
		paths |= PATH_FIRST;
	if (after->bitmap_count == 0)
		paths |= PATH_LAST;
	if (after->has_padding && !before->has_padding)
		paths |= PATH_PADDING;
	if (after->backing_off != before->backing_off)
		paths |= PATH_BACKING;
	if ((after->autoclear ^ before->autoclear) & ~(uint64_t)KNOWN_AUTOCLEAR)
		paths |= PATH_AUTOCLEAR;
	if (after->refcount_table_off != before->refcount_table_off)
		paths |= PATH_TABLE;
	else if (after->refcount_blocks != before->refcount_blocks)
		paths |= PATH_BLOCK;
	return paths;
}

/* ---- qemu-img check ----------------------------------------------------------------- */

struct qemu_sample {
	struct crash_trial *trial;
	bool is_all;
	bool is_on;      /* it can open this image */
	uint64_t shown;  /* states of the trial */
	uint64_t next;   /* the one that qemu-img looks at next */
	uint64_t judged; /* by it, of all trials */
	uint64_t leaks, wrong;
};

/* States that are ever further apart, from all steps of the edit. */
static void show_qemu(void *opaque, const struct crash_state *state)
{
	struct qemu_sample *sample = opaque;
	if (!sample->is_on || sample->shown++ < sample->next)
		return;
	sample->next = sample->is_all ? sample->next * 3 / 2 + 2 : UINT64_MAX;
	int status = qemu_check(state->file);
	sample->judged++;
	sample->leaks += status == QEMU_CHECK_LEAKS;
	if (status == 0 || status == QEMU_CHECK_LEAKS)
		return;
	sample->wrong++;
	print_error("%s: %s: qemu-img check exits %d on a state after sync %zu\n",
		    sample->trial->image, sample->trial->edit, status, state->stretch);
}

/* It wants the backing file, the data file and the key, where there are some. */
static bool can_qemu_open(const struct crash_trial *trial)
{
	const uint8_t *header = trial->before_file.bytes;
	return trial->before.backing_off == 0 && strict_load(header + 32, 4) == 0 &&
	       (strict_load(header + 72, 8) & INCOMPATIBLE_DATA_FILE) == 0;
}

/* Every case has a few in the full run, every fourth has one in the quick one. */
static void begin_qemu(struct qemu_sample *sample, struct crash_trial *trial, size_t idx)
{
	sample->trial = trial;
	sample->shown = 0;
	sample->next = sample->is_all ? 2 : 4 + idx % 8;
	sample->is_on = (sample->is_all || idx % 4 == 0) && can_qemu_open(trial);
	if (!sample->is_on)
		return;
	int status = qemu_check(&trial->before_file);
	sample->is_on = status == 0 || status == QEMU_CHECK_LEAKS;
	if (!sample->is_on && status != QEMU_CHECK_ABSENT)
		fail_msg("%s: qemu-img check exits %d before the edit", trial->image,
			 status);
}

/* ---- The cases ---------------------------------------------------------------------- */

static unsigned try_case(const struct edit_case *edit_case, size_t idx,
			 const struct crash_limits limits[2], struct qemu_sample *sample,
			 struct crash_counts *total)
{
	struct crash_trial trial = {
		.image = edit_case->image,
		.edit = edit_case->edit,
		.each = show_qemu,
		.opaque = sample,
	};
	struct memory_file file = {0};
	struct qcow2bm_error err;
	if (!edit_case_image(trial.image, &file))
		fail_msg("no image %s", trial.image);
	if (!crash_trial_learn(&trial, &file, &err))
		fail_msg("%s: %s: %s", trial.image, trial.edit, err.sentence);
	begin_qemu(sample, &trial, idx);
	assert_int_equal(crash_trial_record(&trial, NULL), QCOW2BM_OK);
	crash_trial_judge(&trial, &limits[0]);
	crash_trial_judge(&trial, &limits[1]);
	crash_counts_print(trial.image, trial.edit, &trial.counts);
	crash_counts_add(total, &trial.counts);
	unsigned paths = paths_of(&trial);
	crash_trial_free(&trial);
	memory_file_free(&file);
	return paths;
}

static void test_every_state_is_old_or_new(void **state)
{
	(void)state;
	struct crash_limits limits[2] = {
		{.sector_bytes = 512, .all = 600, .sample = 100},
		{.sector_bytes = 4096, .all = 64, .sample = 32},
	};
	struct crash_counts total = {0};
	struct qemu_sample sample = {0};
	unsigned paths = 0;
	const char *all = getenv("QCOW2BM_CRASH_ALL");
	for (size_t i = 0; all != NULL && i < 2; i++) {
		limits[i].all = strtoull(all, NULL, 10);
		limits[i].sample = limits[i].all / 16;
	}
	sample.is_all = all != NULL;
	crash_trial_keep_memory();
	crash_counts_print_head();
	for (size_t i = 0; i < edit_case_count; i++)
		paths |= try_case(&edit_cases[i], i, limits, &sample, &total);
	crash_counts_print("total", NULL, &total);
	printf("qemu-img check looked at %" PRIu64 " states: %" PRIu64
	       " with leaks, %" PRIu64 " wrong\n",
	       sample.judged, sample.leaks, sample.wrong);
	assert_int_equal(total.wrong, 0);
	assert_int_equal(sample.wrong, 0);
	assert_int_equal(paths, PATH_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_is_old_or_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
