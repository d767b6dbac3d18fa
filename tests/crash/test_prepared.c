/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every edit is prepared and goes no further, or is rolled back, prepared once more and switched
 * over: every state that a power cut can leave is judged. Environment: QCOW2BM_CRASH_ALL=N as for
 * test_states.
 */
#include "../support/crash_trial.h"
#include "../support/edit_cases.h"
#include "../support/copies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The end of the edit rolls it back. */
static enum qcow2bm_code only_prepare(struct qcow2bm_edit *edit,
				      const struct qcow2bm_commit_options *options,
				      struct qcow2bm_result *result,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	return prepare_copied(edit, options, result, watch, err);
}

static enum qcow2bm_code prepare_twice(struct qcow2bm_edit *edit,
				       const struct qcow2bm_commit_options *options,
				       struct qcow2bm_result *result,
				       const struct qcow2bm_watch *watch,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = prepare_copied(edit, options, result, watch, err);
	if (code == QCOW2BM_OK)
		code = phase_copied(qcow2bm_edit_roll_back, edit, result, err);
	if (code == QCOW2BM_OK)
		assert_int_equal(result->leaked_clusters, 0);
	if (code == QCOW2BM_OK)
		code = prepare_copied(edit, options, result, watch, err);
	if (code == QCOW2BM_OK)
		code = phase_copied(qcow2bm_edit_switch, edit, result, err);
	/* The end of the edit finishes it. */
	return code;
}

/* What the recorded run left, without a cut. */
static void check_end(const struct crash_trial *trial, const struct strict_image *wanted)
{
	struct memory_file file = {0};
	struct strict_image end;
	record_log_replay(&trial->log, trial->log.count, &file);
	strict_read(&end, file.bytes, file.length);
	if (end.problems != 0 || end.leaks != wanted->leaks ||
	    !strict_same_set(&end, wanted))
		fail_msg("%s: %s: %s", trial->image, trial->edit, end.problem);
	strict_free(&end);
	memory_file_free(&file);
}

static void judge(const struct edit_case *edit_case, const struct memory_file *file,
		  edit_case_commit *commit, const char *what,
		  const struct crash_limits limits[2], struct crash_counts *total)
{
	struct crash_trial trial = {
		.image = edit_case->image,
		.edit = edit_case->edit,
		.what = what,
		.commit = commit,
		.must_stay_old = commit == only_prepare,
	};
	if (!crash_trial_learn(&trial, file, NULL))
		fail_msg("%s: %s is refused", trial.image, trial.edit);
	enum qcow2bm_code code = crash_trial_record(&trial, NULL);
	/* Of a directory that was rearranged in its place the image object knows no more. */
	if (code == QCOW2BM_EINVAL && strstr(trial.image, "-full") != NULL)
		trial.must_stay_old = true;
	else
		assert_int_equal(code, QCOW2BM_OK);
	crash_trial_judge(&trial, &limits[0]);
	crash_trial_judge(&trial, &limits[1]);
	check_end(&trial, trial.must_stay_old ? &trial.before : &trial.after);
	crash_counts_print(what, trial.edit, &trial.counts);
	crash_counts_add(total, &trial.counts);
	crash_trial_free(&trial);
}

static void every_state_around_the_phases_is_old_or_new(void **state)
{
	(void)state;
	struct crash_limits limits[2] = {
		{.sector_bytes = 512, .all = 64, .sample = 16},
		{.sector_bytes = 4096, .all = 8, .sample = 4},
	};
	struct crash_counts total = {0};
	const char *all = getenv("QCOW2BM_CRASH_ALL");
	for (size_t i = 0; all != NULL && i < 2; i++) {
		limits[i].all = strtoull(all, NULL, 10);
		limits[i].sample = limits[i].all / 16;
	}
	crash_trial_keep_memory();
	crash_counts_print_head();
	for (size_t i = 0; i < edit_case_count; i++) {
		struct memory_file file = {0};
		assert_true(edit_case_image(edit_cases[i].image, &file));
		judge(&edit_cases[i], &file, only_prepare, "prepared", limits, &total);
		judge(&edit_cases[i], &file, prepare_twice, "rolled back", limits,
		      &total);
		memory_file_free(&file);
	}
	crash_counts_print("total", NULL, &total);
	assert_int_equal(total.wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_around_the_phases_is_old_or_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
