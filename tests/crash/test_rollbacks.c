/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An edit fails or is interrupted at any call before its switch and takes back what it did, and
 * then, or during that, the power goes: every state is the old one, on which the edit succeeds.
 * Environment: QCOW2BM_CRASH_ALL=N looks at all states between two syncs when there are no
 * more than N, for all cases; else some of the cases are tried.
 */
#include "../support/crash_trial.h"
#include "../support/edit_cases.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct attempt {
	struct crash_trial trial;
	struct record_log whole; /* of the edit without trouble */
	uint64_t rollbacks;
};

static bool is_same_op(const struct record_op *a, const struct record_op *b)
{
	return a->kind == b->kind && a->off == b->off && a->bytes == b->bytes &&
	       (a->kind != RECORD_WRITE || memcmp(a->data, b->data, a->bytes) == 0);
}

/* The syncs before the recording leaves the course that it takes without trouble; what a power
 * cut before that leaves is judged in test_states. */
static size_t find_first_stretch(const struct record_log *log,
				 const struct record_log *whole)
{
	size_t syncs = 0;
	for (size_t i = 0; i < log->count && i < whole->count &&
			   is_same_op(&log->ops[i], &whole->ops[i]);
	     i++)
		syncs += log->ops[i].kind == RECORD_SYNC;
	return syncs;
}

/* Where no failure is taken back there is nothing to judge: the edit is done, or its outcome
 * unknown. */
static void judge_rollback(struct attempt *attempt, struct crash_limits limits,
			   struct crash_trouble *trouble)
{
	struct crash_trial *trial = &attempt->trial;
	enum qcow2bm_code code = crash_trial_record(trial, trouble);
	if (code == QCOW2BM_OK || code == QCOW2BM_EUNKNOWN || trial->log.count == 0)
		return;
	attempt->rollbacks++;
	limits.first_stretch = find_first_stretch(&trial->log, &attempt->whole);
	crash_trial_judge(trial, &limits);
}

static void try_failures(struct attempt *attempt, const struct crash_limits *limits)
{
	static const unsigned kinds[] = {FAULT_READ, FAULT_WRITE, FAULT_SYNC,
					 FAULT_RESIZE};
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (int half = 0; half < (kinds[k] == FAULT_WRITE ? 2 : 1); half++) {
			struct crash_trouble trouble;
			size_t at = 0;
			do {
				trouble = (struct crash_trouble){
					.plan = {.kinds = kinds[k],
						 .at = ++at,
						 .half_first = half == 1,
						 .half_unit = limits->sector_bytes,
						 .sys_errno = EIO}};
				judge_rollback(attempt, *limits, &trouble);
			} while (trouble.plan.failures > 0);
		}
	}
}

static void try_interruptions(struct attempt *attempt, const struct crash_limits *limits)
{
	struct crash_trouble trouble;
	size_t at = 0;
	do {
		trouble = (struct crash_trouble){.interrupt_at = ++at};
		judge_rollback(attempt, *limits, &trouble);
	} while (trouble.questions >= at);
}

static uint64_t try_case(const struct edit_case *edit_case,
			 const struct crash_limits limits[2], struct crash_counts *total)
{
	struct attempt attempt = {.trial = {.image = edit_case->image,
					    .edit = edit_case->edit,
					    .what = "rolled back"}};
	struct crash_trial *trial = &attempt.trial;
	struct memory_file file = {0};
	if (!edit_case_image(trial->image, &file) ||
	    !crash_trial_learn(trial, &file, NULL) ||
	    crash_trial_record(trial, NULL) != QCOW2BM_OK)
		fail_msg("%s: %s: fails", trial->image, trial->edit);
	attempt.whole = trial->log;
	memset(&trial->log, 0, sizeof(trial->log));
	trial->must_stay_old = true;
	for (int i = 0; i < 2; i++) {
		try_failures(&attempt, &limits[i]);
		try_interruptions(&attempt, &limits[i]);
	}
	crash_counts_print(trial->image, trial->edit, &trial->counts);
	crash_counts_add(total, &trial->counts);
	crash_trial_free(trial);
	record_log_free(&attempt.whole);
	memory_file_free(&file);
	return attempt.rollbacks;
}

/* The forms of the switch, of growth and of files; and each third of the other cases. */
static bool is_quick(size_t idx)
{
	const char *image = edit_cases[idx].image;
	return strstr(image, "-junk") != NULL || strncmp(image, "device", 6) == 0 ||
	       strncmp(image, "none", 4) == 0 || strcmp(image, "block") == 0 ||
	       strcmp(image, "table") == 0 || idx % 3 == 0;
}

static void test_rollbacks_leave_the_old_state(void **state)
{
	(void)state;
	struct crash_limits limits[2] = {
		{.sector_bytes = 512, .all = 64, .sample = 16},
		{.sector_bytes = 4096, .all = 16, .sample = 4},
	};
	struct crash_counts total = {0};
	uint64_t rollbacks = 0;
	const char *all = getenv("QCOW2BM_CRASH_ALL");
	for (size_t i = 0; all != NULL && i < 2; i++) {
		limits[i].all = strtoull(all, NULL, 10);
		limits[i].sample = limits[i].all / 16;
	}
	crash_trial_keep_memory();
	crash_counts_print_head();
	for (size_t i = 0; i < edit_case_count; i++)
		if (all != NULL || is_quick(i))
			rollbacks += try_case(&edit_cases[i], limits, &total);
	crash_counts_print("total", NULL, &total);
	printf("%" PRIu64 " rollbacks\n", rollbacks);
	assert_int_equal(total.wrong, 0);
	assert_true(rollbacks > 0 && total.judged > rollbacks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rollbacks_leave_the_old_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
