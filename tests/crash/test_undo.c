/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whatever a power cut leaves of an edit with an undo file, the undo file puts back what was
 * there before, byte for byte; whatever a power cut leaves of that, the image is sound, and the
 * same undo once more gets through.
 */
#include "../support/crash_states.h"
#include "../support/strict_reader.h"
#include "../support/undone_edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct trial {
	const struct edit_case *edit_case;
	struct undone_edit edit;
	struct memory_file undo; /* the undo file of the states that are looked at */
	size_t stretch;
	bool is_marking; /* the undo whose states are looked at */
	struct strict_image before;
	size_t states, undo_states, marked, wrong;
};

static void complain(struct trial *trial, const char *what, const char *detail)
{
	if (trial->wrong++ < 3)
		print_error("%s: %s: after sync %zu: %s: %s\n", trial->edit_case->image,
			    trial->edit_case->edit, trial->stretch, what, detail);
}

/* The state of `file` is undone, and is then the image before the edit. */
static void expect_undone(struct trial *trial, const struct memory_file *file,
			  struct memory_file *undo, const char *what)
{
	struct memory_file copy = {0};
	struct qcow2bm_error err = {0};
	bool was_marked;
	memory_file_fill(&copy, file->bytes, file->length);
	if (!undone_edit_put_back(&copy, undo, &trial->edit.log.before, &was_marked,
				  &err))
		complain(trial, what, err.sentence);
	trial->marked += was_marked;
	memory_file_free(&copy);
}

/* All of the undo file is there that was before the end of this stretch of the image. */
static void show_undo_file(struct trial *trial, size_t stretch)
{
	const struct record_log *log = &trial->edit.log;
	size_t end = 0;
	for (size_t i = 0; i <= stretch && end <= log->count; i++)
		end = record_log_find(log, end, RECORD_SYNC) + 1;
	size_t count = end - 1 < log->count ? trial->edit.undo_counts[end - 1]
					    : trial->edit.undo_log.count;
	record_log_replay(&trial->edit.undo_log, count, &trial->undo);
	trial->stretch = stretch;
}

static void judge_edit(void *opaque, const struct crash_state *shown)
{
	struct trial *trial = opaque;
	if (shown->stretch != trial->stretch)
		show_undo_file(trial, shown->stretch);
	trial->states++;
	expect_undone(trial, shown->file, &trial->undo, "the edit was cut off");
}

/* What leads to the old bitmaps again leads to marked ones. */
static void expect_marks(struct trial *trial, const struct memory_file *file)
{
	struct memory_file state = {0}, old = {0};
	memory_file_fill(&state, file->bytes, file->length);
	memory_file_fill(&old, trial->edit.log.before.bytes,
			 trial->edit.log.before.length);
	if (undone_edit_same_directory(&state, &old) && undone_edit_has_valid(&state))
		complain(trial, "the undo was cut off",
			 "a bitmap is back without a mark");
	memory_file_free(&state);
	memory_file_free(&old);
}

static void judge_undo(void *opaque, const struct crash_state *shown)
{
	struct trial *trial = opaque;
	struct strict_image state;
	trial->stretch = shown->stretch;
	trial->undo_states++;
	if (!strict_read(&state, shown->file->bytes, shown->file->length))
		complain(trial, "the undo was cut off", state.problem);
	else if (state.guest_sum != trial->before.guest_sum)
		complain(trial, "the undo was cut off", "the guest's data changed");
	strict_free(&state);
	if (trial->is_marking)
		expect_marks(trial, shown->file);
	expect_undone(trial, shown->file, &trial->undo, "the undo was cut off");
}

/* Operation by operation of the undo file, each torn at every sector. */
static void try_torn_records(struct trial *trial)
{
	const struct undone_edit *edit = &trial->edit;
	struct memory_file image = {0};
	for (size_t i = 0; i < edit->log.count; i++) {
		size_t from = i == 0 ? 0 : edit->undo_counts[i - 1];
		record_log_replay(&edit->log, i, &image);
		for (size_t count = from; count <= edit->undo_counts[i]; count++) {
			/* The header is synced before the edit begins. */
			if ((count < edit->undo_counts[0] && i == 0) ||
			    crash_states_is_left_out())
				continue;
			record_log_replay(&edit->undo_log, count, &trial->undo);
			expect_undone(trial, &image, &trial->undo, "killed");
		}
	}
	memory_file_free(&image);
}

/* The sync after which the image leads to the new bitmaps: the edit's operations up to it, or 0. */
static size_t find_switch(const struct undone_edit *edit)
{
	struct memory_file image = {0}, old = {0};
	size_t end = 0;
	bool is_switched = false;
	memory_file_fill(&old, edit->log.before.bytes, edit->log.before.length);
	while (!is_switched && end < edit->log.count) {
		end = record_log_find(&edit->log, end, RECORD_SYNC) + 1;
		if (end > edit->log.count)
			break;
		record_log_replay(&edit->log, end, &image);
		is_switched = !undone_edit_same_directory(&image, &old);
	}
	memory_file_free(&image);
	memory_file_free(&old);
	return is_switched ? end : 0;
}

/* Cut off right behind its switch the edit is undone with marks, and that is cut off, too. Of the
 * release the undo file knows nothing then: nothing but the marks stands before the switch back. */
static void try_undo_behind_switch(struct trial *trial, const struct crash_limits *limits)
{
	struct record_log log = {0};
	struct memory_file image = {0};
	struct qcow2bm_error err = {0};
	size_t end = find_switch(&trial->edit);
	if (end == 0)
		return;
	record_log_replay(&trial->edit.log, end, &image);
	record_log_replay(&trial->edit.undo_log, trial->edit.undo_counts[end - 1],
			  &trial->undo);
	trial->is_marking = true;
	if (undone_edit_undo(&image, &trial->undo, QCOW2BM_UNDO_IN_USE, NULL, &log,
			     &err) != QCOW2BM_OK)
		complain(trial, "cut off behind its switch", err.sentence);
	else
		crash_states_visit(&log, limits, judge_undo, trial);
	record_log_free(&log);
	memory_file_free(&image);
}

/* The guest's writes to an external data file leave no trace in the image. */
static bool may_be_proven(const struct memory_file *image)
{
	const uint8_t data_file = 1u << 2; /* incompatible_features */
	return (image->bytes[79] & data_file) == 0;
}

static void try_case(struct trial *trial, const struct crash_limits *limits)
{
	struct record_log log = {0};
	struct memory_file copy = {0};
	if (!undone_edit_run(&trial->edit, trial->edit_case, true) ||
	    trial->edit.code != QCOW2BM_OK)
		fail_msg("%s: %s: %s", trial->edit_case->image, trial->edit_case->edit,
			 trial->edit.err.sentence);
	const struct memory_file *before = &trial->edit.log.before;
	strict_read(&trial->before, before->bytes, before->length);
	trial->stretch = SIZE_MAX;
	crash_states_visit(&trial->edit.log, limits, judge_edit, trial);
	try_torn_records(trial);
	try_undo_behind_switch(trial, limits);
	memory_file_fill(&trial->undo, trial->edit.undo.bytes, trial->edit.undo.length);
	/* With its times it is proven that nothing has written since; without them it is not. */
	for (unsigned flags = 0; flags <= QCOW2BM_UNDO_IN_USE;
	     flags += QCOW2BM_UNDO_IN_USE) {
		struct qcow2bm_error err = {0};
		memory_file_fill(&copy, trial->edit.image.bytes,
				 trial->edit.image.length);
		copy.writes = flags == 0 ? trial->edit.image.writes : 0;
		trial->is_marking = flags != 0;
		bool is_undone = undone_edit_undo(&copy, &trial->undo, flags, NULL, &log,
						  &err) == QCOW2BM_OK;
		if (is_undone != (flags != 0 || may_be_proven(before)))
			fail_msg("%s: %s: %s", trial->edit_case->image,
				 trial->edit_case->edit, err.sentence);
		if (is_undone)
			crash_states_visit(&log, limits, judge_undo, trial);
		record_log_free(&log);
	}
	memory_file_free(&copy);
	memory_file_free(&trial->undo);
	strict_free(&trial->before);
	undone_edit_free(&trial->edit);
}

static void test_every_state_is_undone(void **state)
{
	(void)state;
	struct crash_limits limits = {.all = 40, .sample = 10};
	size_t states = 0, undo_states = 0, marked = 0, wrong = 0;
	const char *all = getenv("QCOW2BM_CRASH_ALL");
	if (all != NULL)
		limits.all = limits.sample = strtoull(all, NULL, 10);
	for (size_t i = 0; i < edit_case_count; i++) {
		struct trial trial = {.edit_case = &edit_cases[i]};
		try_case(&trial, &limits);
		states += trial.states;
		undo_states += trial.undo_states;
		marked += trial.marked;
		wrong += trial.wrong;
	}
	print_message("%zu states of edits, %zu of undos, %zu marked, %zu wrong\n",
		      states, undo_states, marked, wrong);
	assert_true(marked > 0);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_is_undone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
