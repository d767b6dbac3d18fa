/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every edit, with each read, write, sync, resize, discard and look at the length failing,
 * once and from then on: success is reported exactly when the new state is on stable storage,
 * and every other result leaves the old one.
 */
#include "../support/crash_states.h"
#include "../support/edit_cases.h"
#include "../support/fault_storage.h"
#include "../support/strict_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct counts {
	uint64_t faults, done, failed, unknown, leaks, wrong;
};

struct trial {
	const struct edit_case *edit_case;
	struct memory_file before_file, after_file;
	struct strict_image before, after;
	size_t switch_syncs; /* how many syncs an edit without faults has done before the switch */
	bool has_second_try; /* it needs no room: without any it is done in the old place */
	struct counts counts;
};

/* One run with a fault. */
struct run {
	struct trial *trial;
	struct fault_plan plan;
	struct memory_file file;
	struct record_log log;
	enum qcow2bm_code code;
	struct qcow2bm_result result;
	struct qcow2bm_error err;
	size_t syncs; /* that succeeded */
	const char *wrong;
};

static void complain(struct run *run, const char *what)
{
	if (run->wrong != NULL)
		return;
	run->wrong = what;
	if (run->trial->counts.wrong++ < 3)
		print_error("%s: %s: kinds %#x, call %zu%s: result %d (%s): %s\n",
			    run->trial->edit_case->image, run->trial->edit_case->edit,
			    run->plan.kinds, run->plan.at,
			    run->plan.from_then_on ? " and on" : "", (int)run->code,
			    run->err.sentence, what);
}

/* ---- Judging ------------------------------------------------------------------------ */

/* What the disk may hold now, should the power be cut. */
static void judge_state(void *opaque, const struct crash_state *shown)
{
	struct run *run = opaque;
	struct strict_image state;
	strict_read(&state, shown->file->bytes, shown->file->length);
	bool is_new = strict_same_bitmaps(&state, &run->trial->after);
	/* Without room for a new directory the old one may be left in another order. */
	bool is_old = strict_same_bitmaps(&state, &run->trial->before) ||
		      (strstr(run->trial->edit_case->image, "-full") != NULL &&
		       strict_same_set(&state, &run->trial->before));
	if (state.problems != 0)
		complain(run, state.problem);
	else if (state.guest_sum != run->trial->before.guest_sum ||
		 state.header_sum != run->trial->before.header_sum)
		complain(run, "what is not the bitmaps' changed");
	else if (run->code == QCOW2BM_OK && !is_new)
		complain(run, "success is reported, but the new state is not durable");
	else if (run->code == QCOW2BM_EUNKNOWN && !is_old && !is_new)
		complain(run, "neither the old state nor the new one");
	else if (run->code != QCOW2BM_OK && run->code != QCOW2BM_EUNKNOWN && !is_old)
		complain(run, "failure is reported, but the old state is gone");
	strict_free(&state);
}

/* Leaks are told; but where the outcome is unknown, nobody can tell. */
static void judge_leaks(struct run *run)
{
	struct strict_image state;
	strict_read(&state, run->file.bytes, run->file.length);
	uint64_t leaks = state.leaks - run->trial->before.leaks;
	if (state.leaks < run->trial->before.leaks)
		complain(run, "clusters that were leaked are free");
	else if (run->code != QCOW2BM_EUNKNOWN && leaks > run->result.leaked_clusters)
		complain(run, "more clusters leaked than it told");
	run->trial->counts.leaks += leaks != 0;
	strict_free(&state);
}

/* How many syncs come before the switch at least; one in the old place, where the backing file's
 * name need not move. */
static size_t least_syncs(const struct run *run)
{
	size_t syncs = run->trial->switch_syncs;
	bool is_second = run->trial->has_second_try && run->plan.sys_errno == ENOSPC;
	return is_second && syncs > 1 ? 1 : syncs;
}

static void judge_code(struct run *run)
{
	bool may_be_unknown = (run->plan.kinds & (FAULT_WRITE | FAULT_SYNC)) != 0 &&
			      run->plan.failures >= 2;
	if (run->code != QCOW2BM_OK && run->err.sentence[0] == '\0')
		complain(run, "no sentence says what failed");
	if (run->code == QCOW2BM_OK && !run->result.switched)
		complain(run, "success is reported without a switch");
	if (run->code == QCOW2BM_EUNKNOWN &&
	    (!may_be_unknown || run->syncs < least_syncs(run)))
		complain(run, "the outcome is called unknown before the switch");
}

/* The disk works again: the edit, done on what it left, gives the new state. */
static void judge_again(struct run *run)
{
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	struct strict_image state;
	if (run->code == QCOW2BM_OK || run->code == QCOW2BM_EUNKNOWN)
		return;
	bool may_refuse = run->plan.from_then_on &&
			  strstr(run->trial->edit_case->image, "-far") != NULL;
	enum qcow2bm_code code =
		edit_case_run(edit_case_storage(run->trial->edit_case->image, &run->file),
			      run->trial->edit_case->edit, NULL, &result, &err);
	/* There the extension may stand without its autoclear bit when nothing can be taken
	 * back: the one state that edits refuse. */
	if (code == QCOW2BM_EUNSUPPORTED && may_refuse)
		return;
	if (code != QCOW2BM_OK)
		complain(run, "the edit, done again, fails");
	strict_read(&state, run->file.bytes, run->file.length);
	if (state.problems != 0 || !strict_same_bitmaps(&state, &run->trial->after))
		complain(run, "the edit, done again, gives another state");
	strict_free(&state);
}

/* ---- Running ------------------------------------------------------------------------ */

static size_t count_syncs(const struct record_log *log)
{
	size_t syncs = 0;
	for (size_t i = 0; i < log->count; i++)
		syncs += log->ops[i].kind == RECORD_SYNC;
	return syncs;
}

/* Does the edit with the fault; false when it has fewer calls of that kind. */
static bool run_fault(struct trial *trial, const struct fault_plan *plan)
{
	struct run run = {.trial = trial, .plan = *plan};
	memory_file_fill(&run.file, trial->before_file.bytes, trial->before_file.length);
	struct q2_storage *recorder = record_storage_open(
		edit_case_storage(trial->edit_case->image, &run.file), &run.log);
	run.code = edit_case_run(fault_storage_open(recorder, &run.plan),
				 trial->edit_case->edit, NULL, &run.result, &run.err);
	bool was_reached = run.plan.failures != 0;
	if (was_reached) {
		run.syncs = count_syncs(&run.log);
		struct crash_limits limits = {
			.all = 32, .sample = 8, .first_stretch = run.syncs};
		trial->counts.faults++;
		trial->counts.done += run.code == QCOW2BM_OK;
		trial->counts.unknown += run.code == QCOW2BM_EUNKNOWN;
		trial->counts.failed +=
			run.code != QCOW2BM_OK && run.code != QCOW2BM_EUNKNOWN;
		judge_code(&run);
		crash_states_visit(&run.log, &limits, judge_state, &run);
		judge_leaks(&run);
		judge_again(&run);
	}
	record_log_free(&run.log);
	memory_file_free(&run.file);
	return was_reached;
}

static void run_faults(struct trial *trial)
{
	static const unsigned kinds[] = {FAULT_READ,
					 FAULT_WRITE,
					 FAULT_SYNC,
					 FAULT_RESIZE,
					 FAULT_DISCARD,
					 FAULT_LENGTH,
					 FAULT_WRITE | FAULT_SYNC | FAULT_RESIZE |
						 FAULT_DISCARD};
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		bool is_single = (kinds[k] & (kinds[k] - 1)) == 0;
		for (int on = is_single ? 0 : 1; on < 2; on++) {
			struct fault_plan plan = {.kinds = kinds[k],
						  .from_then_on = on == 1,
						  .sys_errno = k % 2 == 0 ? EIO : ENOSPC};
			do
				plan.at++;
			while (run_fault(trial, &plan));
		}
	}
}

/* Whether the edit is done although its first write finds no room. */
static bool is_tried_again(const struct trial *trial)
{
	struct fault_plan plan = {.kinds = FAULT_WRITE, .at = 1, .sys_errno = ENOSPC};
	struct memory_file file = {0};
	struct qcow2bm_result result;
	memory_file_fill(&file, trial->before_file.bytes, trial->before_file.length);
	enum qcow2bm_code code = edit_case_run(
		fault_storage_open(edit_case_storage(trial->edit_case->image, &file),
				   &plan),
		trial->edit_case->edit, NULL, &result, NULL);
	memory_file_free(&file);
	return code == QCOW2BM_OK;
}

/* The edit without faults: what the new state is, and when it is switched over. */
static void learn(struct trial *trial)
{
	struct record_log log = {.count = 0};
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	if (!edit_case_image(trial->edit_case->image, &trial->before_file))
		fail_msg("no image %s", trial->edit_case->image);
	memory_file_fill(&trial->after_file, trial->before_file.bytes,
			 trial->before_file.length);
	if (edit_case_run(record_storage_open(edit_case_storage(trial->edit_case->image,
								&trial->after_file),
					      &log),
			  trial->edit_case->edit, NULL, &result, &err) != QCOW2BM_OK)
		fail_msg("%s: %s: %s", trial->edit_case->image, trial->edit_case->edit,
			 err.sentence);
	strict_read(&trial->before, trial->before_file.bytes, trial->before_file.length);
	strict_read(&trial->after, trial->after_file.bytes, trial->after_file.length);
	for (size_t i = record_log_find(&log, 0, RECORD_SYNC); i < log.count;
	     i = record_log_find(&log, i + 1, RECORD_SYNC)) {
		struct memory_file file = {0};
		struct strict_image state;
		record_log_replay(&log, i + 1, &file);
		strict_read(&state, file.bytes, file.length);
		trial->switch_syncs += !strict_same_bitmaps(&state, &trial->after);
		strict_free(&state);
		memory_file_free(&file);
	}
	record_log_free(&log);
	trial->has_second_try = is_tried_again(trial);
}

static void print_counts(const char *image, const char *edit, const struct counts *counts)
{
	printf("%-22s %-52.52s %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %7" PRIu64
	       " %7" PRIu64 " %7" PRIu64 "\n",
	       image, edit, counts->faults, counts->done, counts->failed, counts->unknown,
	       counts->leaks, counts->wrong);
	fflush(stdout);
}

static void try_case(const struct edit_case *edit_case, struct counts *total)
{
	struct trial trial = {.edit_case = edit_case};
	learn(&trial);
	run_faults(&trial);
	print_counts(edit_case->image, edit_case->edit, &trial.counts);
	total->faults += trial.counts.faults;
	total->done += trial.counts.done;
	total->failed += trial.counts.failed;
	total->unknown += trial.counts.unknown;
	total->leaks += trial.counts.leaks;
	total->wrong += trial.counts.wrong;
	strict_free(&trial.before);
	strict_free(&trial.after);
	memory_file_free(&trial.before_file);
	memory_file_free(&trial.after_file);
}

static void test_success_means_success(void **state)
{
	(void)state;
	struct counts total = {0};
	printf("%-22s %-52s %7s %7s %7s %7s %7s %7s\n", "image", "edit", "faults", "done",
	       "failed", "unknown", "leaks", "wrong");
	for (size_t i = 0; i < edit_case_count; i++)
		try_case(&edit_cases[i], &total);
	print_counts("total", "", &total);
	assert_int_equal(total.wrong, 0);
	assert_true(total.done > 0 && total.failed > 0 && total.unknown > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_success_means_success),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
