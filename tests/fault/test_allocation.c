/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every edit with its Nth allocation failing, for every N, once and from then on: no block of
 * memory is left behind, success is the new state and everything else the old one. Under the
 * sanitizers these watch the same runs.
 */
#include "../support/edit_cases.h"
#include "../support/strict_reader.h"
#include "fail_memory.h"
#include "../support/copies.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GROWTH_BYTES (1u << 20) /* more than any of the edits adds to its file */

struct counts {
	uint64_t faults, done, failed, leaks, wrong, left;
};

struct trial {
	const struct edit_case *edit_case;
	struct memory_file before_file, after_file;
	struct memory_file file; /* of every run, with room for what it adds */
	struct strict_image before, after;
	struct counts counts;
};

/* How a run ended. */
struct run {
	enum qcow2bm_code code;
	struct qcow2bm_result result;
	struct qcow2bm_error err;
	uint64_t calls, failures;
	int64_t left; /* blocks */
};

static void run_edit(struct run *run, struct trial *trial, uint64_t at, uint64_t until)
{
	const char *edit = trial->edit_case->edit;
	struct memory_file other_file = {0};
	memset(run, 0, sizeof(*run));
	memory_file_fill(&trial->file, trial->before_file.bytes,
			 trial->before_file.length);
	/* An image that is only read keeps what was loaded of it until it is closed. */
	int64_t blocks = memory_faults.blocks;
	struct qcow2bm_image *other = edit_case_other(edit, &other_file);
	struct q2_storage *storage =
		edit_case_storage(trial->edit_case->image, &trial->file);
	memory_faults.calls = memory_faults.failures = 0;
	memory_faults.at = at;
	memory_faults.until = until;
	memory_faults.is_on = true;
	run->code = edit_case_run_with(storage, other, edit, commit_copied, NULL,
				       &run->result, &run->err);
	memory_faults.is_on = false;
	run->calls = memory_faults.calls;
	run->failures = memory_faults.failures;
	qcow2bm_image_close(other);
	memory_file_free(&other_file);
	run->left = memory_faults.blocks - blocks;
}

/* ---- Judging ------------------------------------------------------------------------ */

static const char *judge(const struct trial *trial, const struct run *run,
			 const struct strict_image *state)
{
	bool is_done = run->code == QCOW2BM_OK;
	if (run->failures == 0)
		return "the allocation did not fail";
	if (state->problems != 0)
		return state->problem;
	if (state->guest_sum != trial->before.guest_sum ||
	    state->header_sum != trial->before.header_sum)
		return "what is not the bitmaps' changed";
	if (is_done && !strict_same_bitmaps(state, &trial->after))
		return "success is reported without the new state";
	if (!is_done && !strict_same_bitmaps(state, &trial->before))
		return "failure is reported, but the old state is gone";
	if (!is_done && run->code != QCOW2BM_ENOMEM)
		return "the failure is not called want of memory";
	if (!is_done && run->err.sentence[0] == '\0')
		return "no sentence says what failed";
	if (state->leaks > trial->before.leaks + run->result.leaked_clusters)
		return "more clusters leaked than it told";
	return run->left == 0 ? NULL : "memory is left behind";
}

static void try_fault(struct trial *trial, uint64_t at, uint64_t until)
{
	struct run run;
	struct strict_image state;
	run_edit(&run, trial, at, until);
	strict_read(&state, trial->file.bytes, trial->file.length);
	const char *wrong = judge(trial, &run, &state);
	trial->counts.faults++;
	trial->counts.done += run.code == QCOW2BM_OK;
	trial->counts.failed += run.code != QCOW2BM_OK;
	trial->counts.leaks += state.leaks > trial->before.leaks;
	trial->counts.left += run.left != 0;
	if (wrong != NULL && trial->counts.wrong++ < 3)
		print_error("%s: %s: allocation %" PRIu64 "%s: result %d (%s), %" PRId64
			    " blocks left: %s\n",
			    trial->edit_case->image, trial->edit_case->edit, at,
			    until > at ? " and on" : "", (int)run.code, run.err.sentence,
			    run.left, wrong);
	strict_free(&state);
}

/* ---- Running ------------------------------------------------------------------------ */

/* The edit without a fault. Returns how many allocations it makes. */
static uint64_t learn(struct trial *trial)
{
	struct run run;
	if (!edit_case_image(trial->edit_case->image, &trial->before_file))
		fail_msg("no image %s", trial->edit_case->image);
	memory_file_reserve(&trial->file, trial->before_file.length + GROWTH_BYTES);
	run_edit(&run, trial, 0, 0);
	if (run.code != QCOW2BM_OK || run.left != 0)
		fail_msg("%s: %s: without a fault: %s, %" PRId64 " blocks left",
			 trial->edit_case->image, trial->edit_case->edit,
			 run.err.sentence, run.left);
	memory_file_fill(&trial->after_file, trial->file.bytes, trial->file.length);
	strict_read(&trial->before, trial->before_file.bytes, trial->before_file.length);
	strict_read(&trial->after, trial->after_file.bytes, trial->after_file.length);
	return run.calls;
}

static void try_case(const struct edit_case *edit_case, struct counts *total)
{
	struct trial trial = {.edit_case = edit_case};
	uint64_t calls = learn(&trial);
	for (uint64_t at = 1; at <= calls; at++) {
		try_fault(&trial, at, at);
		try_fault(&trial, at, UINT64_MAX);
	}
	total->faults += trial.counts.faults;
	total->done += trial.counts.done;
	total->failed += trial.counts.failed;
	total->leaks += trial.counts.leaks;
	total->left += trial.counts.left;
	total->wrong += trial.counts.wrong;
	strict_free(&trial.before);
	strict_free(&trial.after);
	memory_file_free(&trial.before_file);
	memory_file_free(&trial.after_file);
	memory_file_free(&trial.file);
}

static void test_nothing_is_left_behind(void **state)
{
	(void)state;
	struct counts total = {0};
	int64_t blocks = memory_faults.blocks;
	for (size_t i = 0; i < edit_case_count; i++)
		try_case(&edit_cases[i], &total);
	printf("allocations of %zu edits that fail: %" PRIu64 ", %" PRIu64
	       " done, %" PRIu64 " refused, %" PRIu64 " with leaked clusters, %" PRIu64
	       " wrong, %" PRIu64 " left memory behind\n",
	       edit_case_count, total.faults, total.done, total.failed, total.leaks,
	       total.wrong, total.left);
	assert_int_equal(total.wrong, 0);
	assert_true(total.done > 0 && total.failed > 0);
	assert_true(memory_faults.blocks == blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_left_behind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
