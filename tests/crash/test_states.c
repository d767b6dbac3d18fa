/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every edit is recorded, every state that a power cut can leave of it is judged: the old
 * bitmaps or the new ones, the guest's data and the header as they were, at most leaks.
 * Environment: QCOW2BM_CRASH_ALL=N looks at all states between two syncs when there are no
 * more than N, and at as many at random where there are more.
 */
#include "../support/crash_states.h"
#include "../support/edit_cases.h"
#include "../support/strict_reader.h"

#include "image/image.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KNOWN_AUTOCLEAR 3u

struct counts {
	uint64_t states, old, new, leaks, refused, wrong;
};

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

struct trial {
	const struct edit_case *edit_case;
	struct record_log log;
	struct memory_file after_file;
	struct strict_image before, after;
	struct counts counts;
	size_t switched_at; /* the first stretch whose durable state is the new one */
	size_t states_here; /* of this stretch */
	size_t stretch;
};

/* ---- Judging one state -------------------------------------------------------------- */

static void complain(struct trial *trial, size_t stretch, const char *what)
{
	if (trial->counts.wrong++ < 3)
		print_error("%s: %s: state %zu after sync %zu: %s\n",
			    trial->edit_case->image, trial->edit_case->edit,
			    trial->states_here, stretch, what);
}

/* Unknown autoclear bits go before anything else changes, and never come back. */
static const char *check_autoclear(const struct trial *trial,
				   const struct strict_image *state, bool is_new)
{
	uint64_t unknown = trial->before.autoclear & ~(uint64_t)KNOWN_AUTOCLEAR;
	if (((state->autoclear ^ trial->before.autoclear) & 2) != 0)
		return "autoclear bit 1 changed";
	if ((state->autoclear & ~(uint64_t)KNOWN_AUTOCLEAR) == 0)
		return NULL;
	if ((state->autoclear & ~(uint64_t)KNOWN_AUTOCLEAR) != unknown || is_new)
		return "unknown autoclear bits changed, or stayed";
	if (state->length != trial->before.length ||
	    memcmp(state->bytes, trial->before.bytes, state->length) != 0)
		return "the image changed before its unknown autoclear bits were cleared";
	return NULL;
}

/* An extension without its autoclear bit: neither QEMU nor the library counts its bitmaps. Where
 * it stands in the sector of the header, no state may look like that. */
static const char *check_extension(const struct trial *trial, const struct strict_image *state)
{
	if (state->has_extension && (state->autoclear & 1) == 0 &&
	    strstr(trial->edit_case->image, "-far") == NULL)
		return "the bitmaps extension is there without its autoclear bit";
	return NULL;
}

/* What is wrong with the state, or NULL. */
static const char *judge_strictly(const struct trial *trial,
				  const struct strict_image *state, bool *is_new)
{
	*is_new = strict_same_bitmaps(state, &trial->after);
	if (state->problems != 0)
		return state->problem;
	if (!*is_new && !strict_same_bitmaps(state, &trial->before))
		return "the bitmaps are neither the old ones nor the new ones";
	if (state->guest_sum != trial->before.guest_sum)
		return "the guest's data or its tables changed";
	if (state->header_sum != trial->before.header_sum)
		return "the header, an extension or the backing file name changed";
	const char *wrong = check_extension(trial, state);
	return wrong != NULL ? wrong : check_autoclear(trial, state, *is_new);
}

/* The library opens it and finds as many bitmaps. */
static const char *judge_by_opening(struct memory_file *file,
				    const struct strict_image *state)
{
	struct qcow2bm_image *image = NULL;
	if (q2_image_open(&image, memory_storage_open(file), NULL) != QCOW2BM_OK)
		return "the library cannot open it";
	size_t usable = 0;
	for (size_t i = 0; i < qcow2bm_count(image); i++) {
		struct qcow2bm_bitmap bitmap;
		qcow2bm_describe(image, i, &bitmap);
		usable += bitmap.state != QCOW2BM_STATE_CORRUPT;
	}
	qcow2bm_close(image);
	return usable == state->bitmap_count ? NULL : "the library finds other bitmaps";
}

/* The edit once more: on the old state it gives the new one; on the new one it changes
 * nothing more, or has nothing to do. */
static const char *judge_by_editing(struct trial *trial, const struct memory_file *file,
				    const struct strict_image *state, bool is_new)
{
	struct memory_file copy = {0};
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	struct strict_image again;
	const char *wrong = NULL;
	memory_file_fill(&copy, file->bytes, file->length);
	enum qcow2bm_code code = edit_case_run(memory_storage_open(&copy),
					       trial->edit_case->edit, &result, &err);
	bool is_sound = strict_read(&again, copy.bytes, copy.length);
	bool is_cut_off = state->has_extension && !(state->autoclear & 1);
	if (!is_sound)
		wrong = "the edit, done again, broke the image";
	else if (again.guest_sum != state->guest_sum ||
		 again.header_sum != state->header_sum)
		wrong = "the edit, done again, changed what is not its own";
	else if (code != QCOW2BM_OK && err.sentence[0] == '\0')
		wrong = "the edit, done again, is refused without a sentence";
	else if (code != QCOW2BM_OK && !strict_same_bitmaps(&again, state))
		wrong = "the edit, done again, is refused and changed the bitmaps";
	else if (code != QCOW2BM_OK && !is_new && !is_cut_off)
		wrong = "the edit, done again, is refused";
	else if (code == QCOW2BM_OK && !is_new &&
		 !strict_same_bitmaps(&again, &trial->after))
		wrong = "the edit, done again, gives another state";
	trial->counts.refused += code != QCOW2BM_OK;
	strict_free(&again);
	memory_file_free(&copy);
	return wrong;
}

static void judge(void *opaque, size_t stretch, const struct memory_file *file)
{
	struct trial *trial = opaque;
	struct memory_file shown = *file;
	struct strict_image state;
	bool is_new;
	trial->states_here = stretch == trial->stretch ? trial->states_here + 1 : 0;
	trial->stretch = stretch;
	strict_read(&state, file->bytes, file->length);
	const char *wrong = judge_strictly(trial, &state, &is_new);
	if (wrong == NULL && !is_new && stretch >= trial->switched_at)
		wrong = "the old state is back";
	if (wrong == NULL)
		wrong = judge_by_opening(&shown, &state);
	if (wrong == NULL)
		wrong = judge_by_editing(trial, file, &state, is_new);
	if (wrong != NULL)
		complain(trial, stretch, wrong);
	trial->counts.states++;
	trial->counts.old += !is_new;
	trial->counts.new += is_new;
	trial->counts.leaks += state.leaks > trial->before.leaks;
	strict_free(&state);
}

/* ---- One edit ----------------------------------------------------------------------- */

/* After how many syncs the new state is durable. SIZE_MAX: never. */
static size_t find_switch(const struct trial *trial)
{
	size_t syncs = 0;
	for (size_t i = record_log_find(&trial->log, 0, RECORD_SYNC);
	     i < trial->log.count; i = record_log_find(&trial->log, i + 1, RECORD_SYNC)) {
		struct memory_file file = {0};
		struct strict_image state;
		record_log_replay(&trial->log, i + 1, &file);
		strict_read(&state, file.bytes, file.length);
		bool is_new = strict_same_bitmaps(&state, &trial->after);
		strict_free(&state);
		memory_file_free(&file);
		syncs++;
		if (is_new)
			return syncs;
	}
	return SIZE_MAX;
}

static void record(struct trial *trial)
{
	struct memory_file file = {0};
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	if (!edit_case_image(trial->edit_case->image, &file))
		fail_msg("no image %s", trial->edit_case->image);
	enum qcow2bm_code code = edit_case_run(
		record_storage_open(memory_storage_open(&file), &trial->log),
		trial->edit_case->edit, &result, &err);
	if (code != QCOW2BM_OK)
		fail_msg("%s: %s: %s", trial->edit_case->image, trial->edit_case->edit,
			 err.sentence);
	trial->after_file = file;
	strict_read(&trial->before, trial->log.before.bytes, trial->log.before.length);
	strict_read(&trial->after, file.bytes, file.length);
	if (trial->before.problems != 0)
		fail_msg("%s: %s", trial->edit_case->image, trial->before.problem);
	if (trial->after.problems != 0)
		complain(trial, SIZE_MAX, trial->after.problem);
	if (strict_same_bitmaps(&trial->before, &trial->after))
		complain(trial, SIZE_MAX, "the edit changes nothing");
	if (trial->after.leaks != trial->before.leaks || result.leaked_clusters != 0)
		complain(trial, SIZE_MAX,
			 "the edit leaks clusters although nothing failed");
	trial->switched_at = find_switch(trial);
	if (trial->switched_at == SIZE_MAX)
		complain(trial, SIZE_MAX, "success was reported before it was durable");
}

static unsigned paths_of(const struct trial *trial)
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

static void print_counts(const char *image, const char *edit, const struct counts *counts)
{
	printf("%-22s %-52.52s %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64
	       " %8" PRIu64 " %5" PRIu64 "\n",
	       image, edit, counts->states, counts->old, counts->new, counts->leaks,
	       counts->refused, counts->wrong);
	fflush(stdout);
}

static unsigned try_case(const struct edit_case *edit_case,
			 const struct crash_limits *limits, struct counts *total)
{
	struct trial trial = {.edit_case = edit_case, .stretch = SIZE_MAX};
	record(&trial);
	crash_states_visit(&trial.log, limits, judge, &trial);
	unsigned paths = paths_of(&trial);
	print_counts(edit_case->image, edit_case->edit, &trial.counts);
	total->states += trial.counts.states;
	total->old += trial.counts.old;
	total->new += trial.counts.new;
	total->leaks += trial.counts.leaks;
	total->refused += trial.counts.refused;
	total->wrong += trial.counts.wrong;
	strict_free(&trial.before);
	strict_free(&trial.after);
	record_log_free(&trial.log);
	memory_file_free(&trial.after_file);
	return paths;
}

static void test_every_state_is_old_or_new(void **state)
{
	(void)state;
	struct crash_limits limits = {.all = 4000, .sample = 200};
	struct counts total = {0};
	unsigned paths = 0;
	const char *all = getenv("QCOW2BM_CRASH_ALL");
	if (all != NULL)
		limits.all = limits.sample = strtoull(all, NULL, 10);
	printf("%-22s %-52s %8s %8s %8s %8s %8s %5s\n", "image", "edit", "states", "old",
	       "new", "leaks", "refused", "wrong");
	for (size_t i = 0; i < edit_case_count; i++)
		paths |= try_case(&edit_cases[i], &limits, &total);
	print_counts("total", "", &total);
	assert_int_equal(total.wrong, 0);
	assert_int_equal(paths, PATH_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_is_old_or_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
