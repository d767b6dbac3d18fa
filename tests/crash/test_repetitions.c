/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The power goes during an edit; the edit is done again on what is left; the power goes again.
 * Every state that can be left of the repetition is judged.
 * Environment: QCOW2BM_CRASH_ALL=N looks at all states between two syncs of a repetition when
 * there are no more than N, for all cases; else some of the cases are tried.
 */
#include "../support/crash_trial.h"
#include "../support/edit_cases.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KNOWN_AUTOCLEAR 3u

struct repetition {
	struct crash_trial first;
	struct crash_limits limits;
	/* States are told apart for old images and for new ones: their verdicts differ. */
	struct crash_seen seen[2];
	struct crash_counts counts;
	uint64_t every, most; /* of the states of small images that are repeated on */
	uint64_t shown, repetitions;
};

static void repeat_on(struct repetition *repetition, const struct memory_file *file)
{
	const struct crash_trial *first = &repetition->first;
	struct crash_trial again = {
		.image = first->image,
		.edit = first->edit,
		.what = "repeated",
		.may_do_nothing = true,
	};
	if (crash_trial_learn(&again, file, NULL)) {
		bool is_new = strict_same_bitmaps(&again.before, &first->after);
		bool is_shared =
			(first->before.autoclear & ~(uint64_t)KNOWN_AUTOCLEAR) == 0;
		struct crash_seen *seen = &repetition->seen[is_new];
		if (is_shared)
			again.seen = *seen;
		if (crash_trial_record(&again, NULL) != QCOW2BM_OK)
			again.counts.wrong++;
		crash_trial_judge(&again, &repetition->limits);
		if (is_shared) {
			*seen = again.seen;
			memset(&again.seen, 0, sizeof(again.seen));
		}
		repetition->repetitions++;
		crash_counts_add(&repetition->counts, &again.counts);
	}
	crash_trial_free(&again);
}

#define SMALL_BYTES (256u << 10)

/* Where there are very many states, or large ones, some of them. */
static void show(void *opaque, const struct crash_state *state)
{
	struct repetition *repetition = opaque;
	uint64_t number = repetition->shown++;
	uint64_t most = repetition->most;
	if (state->file->length > SMALL_BYTES)
		most /= 10;
	if (number % repetition->every == 0 && (number < most || state->digest % 64 == 0))
		repeat_on(repetition, state->file);
}

static void try_case(const struct edit_case *edit_case, struct repetition *repetition,
		     struct crash_counts *total)
{
	static const struct crash_limits first_limits = {.all = 4000, .sample = 200};
	struct crash_trial *first = &repetition->first;
	struct memory_file file = {0};
	*first = (struct crash_trial){
		.image = edit_case->image,
		.edit = edit_case->edit,
		.each = show,
		.opaque = repetition,
	};
	repetition->shown = 0;
	memset(&repetition->counts, 0, sizeof(repetition->counts));
	if (!edit_case_image(first->image, &file) ||
	    !crash_trial_learn(first, &file, NULL) ||
	    crash_trial_record(first, NULL) != QCOW2BM_OK)
		fail_msg("%s: %s: fails", first->image, first->edit);
	crash_trial_judge(first, &first_limits);
	crash_counts_print(first->image, first->edit, &repetition->counts);
	crash_counts_add(total, &repetition->counts);
	for (int i = 0; i < 2; i++) {
		crash_seen_free(&repetition->seen[i]);
		memset(&repetition->seen[i], 0, sizeof(repetition->seen[i]));
	}
	crash_trial_free(first);
	memory_file_free(&file);
}

static void test_repetitions_leave_old_or_new(void **state)
{
	(void)state;
	struct repetition repetition = {
		.limits = {.all = 64, .sample = 16},
		.every = 3,
		.most = 30,
	};
	struct crash_counts total = {0};
	const char *all = getenv("QCOW2BM_CRASH_ALL");
	if (all != NULL) {
		repetition.limits.all = strtoull(all, NULL, 10) / 4;
		repetition.limits.sample = repetition.limits.all / 16;
		repetition.every = 1;
		repetition.most = 200;
	}
	crash_trial_keep_memory();
	crash_counts_print_head();
	for (size_t i = 0; i < edit_case_count; i++)
		if (all != NULL || i % 5 == 0)
			try_case(&edit_cases[i], &repetition, &total);
	crash_counts_print("total", NULL, &total);
	printf("%" PRIu64 " repetitions\n", repetition.repetitions);
	assert_int_equal(total.wrong, 0);
	assert_true(total.judged > repetition.repetitions && total.old > 0 &&
		    total.new > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repetitions_leave_old_or_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
