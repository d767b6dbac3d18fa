/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One edit, recorded, and the judgement of every state that a power cut can leave of it. */
#include "crash_trial.h"

#include "image/image.h"
#include "copies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define KNOWN_AUTOCLEAR 3u
#define AUTOCLEAR_OFF 88

static void complain(struct crash_trial *trial, size_t stretch, const char *what)
{
	if (trial->counts.wrong++ < 3)
		fprintf(stderr, "%s: %s%s%s: state %" PRIu64 ", after sync %zu: %s\n",
			trial->image, trial->edit, trial->what == NULL ? "" : ", ",
			trial->what == NULL ? "" : trial->what, trial->counts.states,
			stretch, what);
}

/* ---- States that were seen ---------------------------------------------------------- */

enum { VERDICT_NEW = 1, VERDICT_THIRD = 2, VERDICT_LEAKS = 4 };

static size_t find_slot(const struct crash_seen *seen, uint64_t digest)
{
	size_t slot = (size_t)digest & (seen->room - 1);
	while (seen->digests[slot] != 0 && seen->digests[slot] != digest)
		slot = (slot + 1) & (seen->room - 1);
	return slot;
}

static void grow(struct crash_seen *seen)
{
	struct crash_seen old = *seen;
	seen->room = old.room == 0 ? 256 : old.room * 2;
	seen->digests = strict_alloc(seen->room, sizeof(*seen->digests));
	seen->verdicts = strict_alloc(seen->room, sizeof(*seen->verdicts));
	for (size_t i = 0; i < old.room; i++) {
		if (old.digests[i] == 0)
			continue;
		size_t slot = find_slot(seen, old.digests[i]);
		seen->digests[slot] = old.digests[i];
		seen->verdicts[slot] = old.verdicts[i];
	}
	crash_seen_free(&old);
}

/* Where the verdict on that state is, or shall be: *is_there. */
static uint8_t *find_verdict(struct crash_seen *seen, uint64_t digest, bool *is_there)
{
	digest += digest == 0;
	if (seen->count * 2 >= seen->room)
		grow(seen);
	size_t slot = find_slot(seen, digest);
	*is_there = seen->digests[slot] != 0;
	seen->digests[slot] = digest;
	seen->count += !*is_there;
	return &seen->verdicts[slot];
}

void crash_seen_free(struct crash_seen *seen)
{
	free(seen->digests);
	free(seen->verdicts);
}

/* ---- Judging one state -------------------------------------------------------------- */

/* Unknown autoclear bits go before anything else changes, and never come back. */
static const char *check_autoclear(const struct crash_trial *trial,
				   const struct strict_image *state, bool is_new)
{
	const struct strict_image *before = &trial->before;
	uint64_t unknown = before->autoclear & ~(uint64_t)KNOWN_AUTOCLEAR;
	if (((state->autoclear ^ before->autoclear) & 2) != 0)
		return "autoclear bit 1 changed";
	if ((state->autoclear & ~(uint64_t)KNOWN_AUTOCLEAR) == 0)
		return NULL;
	if ((state->autoclear & ~(unknown | KNOWN_AUTOCLEAR)) != 0 || is_new)
		return "unknown autoclear bits were set, or stayed";
	if (state->length != before->length ||
	    memcmp(state->bytes, before->bytes, AUTOCLEAR_OFF) != 0 ||
	    memcmp(state->bytes + AUTOCLEAR_OFF + 8, before->bytes + AUTOCLEAR_OFF + 8,
		   state->length - AUTOCLEAR_OFF - 8) != 0)
		return "the image changed before its unknown autoclear bits were cleared";
	return NULL;
}

/* Whether they have the same bitmaps. Where there was no room for a new directory the entries of the
 * old one may stand in another order for a while, which means nothing: on a device that is full, or
 * that an edit before this one may have filled. */
static bool is_same(const struct crash_trial *trial, const struct strict_image *a,
		    const struct strict_image *b)
{
	bool is_full = strstr(trial->image, "-full") != NULL;
	bool may_fill = trial->what != NULL && strncmp(trial->image, "device", 6) == 0;
	return strict_same_bitmaps(a, b) ||
	       ((is_full || may_fill) && strict_same_set(a, b));
}

/* The image as it is read once autoclear bit 0 is set. */
static const char *check_as_if_set(const struct crash_trial *trial,
				   const struct strict_image *state)
{
	struct strict_image as_if;
	struct memory_file copy = {0};
	const char *wrong = NULL;
	memory_file_fill(&copy, state->bytes, state->length);
	copy.bytes[AUTOCLEAR_OFF + 7] |= 1;
	if (!strict_read(&as_if, copy.bytes, copy.length))
		wrong = "the extension without its autoclear bit names what is not there";
	else if (!strict_same_bitmaps(&as_if, &trial->after))
		wrong = "the extension without its autoclear bit names other bitmaps";
	strict_free(&as_if);
	memory_file_free(&copy);
	return wrong;
}

/* An extension without its autoclear bit: neither QEMU nor the library counts its bitmaps. Where
 * it stands in the sector of the header, no state may look like that. Elsewhere it is the first
 * one, which is there whole before the bit is set, or what is left of the last one. */
static const char *check_extension(const struct crash_trial *trial,
				   const struct strict_image *state)
{
	if (!state->has_extension || (state->autoclear & 1) != 0)
		return NULL;
	if (strstr(trial->image, "-far") == NULL)
		return "the bitmaps extension is there without its autoclear bit";
	return trial->before.has_extension ? NULL : check_as_if_set(trial, state);
}

/* What is wrong with the state, or NULL. */
static const char *judge_strictly(const struct crash_trial *trial,
				  const struct strict_image *state, uint8_t *verdict)
{
	bool is_new = is_same(trial, state, &trial->after);
	bool is_old = is_same(trial, state, &trial->before);
	*verdict |= is_new ? VERDICT_NEW : is_old ? 0 : VERDICT_THIRD;
	if (state->leaks > trial->before.leaks)
		*verdict |= VERDICT_LEAKS;
	if (state->problems != 0)
		return state->problem;
	if (!is_new && !is_old)
		return "the bitmaps are neither the old ones nor the new ones";
	if (trial->must_stay_old && !is_old)
		return "the edit failed, and the bitmaps are the new ones";
	if (state->guest_sum != trial->before.guest_sum)
		return "the guest's data or its tables changed";
	if (state->header_sum != trial->before.header_sum)
		return "the header, an extension or the backing file name changed";
	const char *wrong = check_extension(trial, state);
	return wrong != NULL ? wrong : check_autoclear(trial, state, is_new && !is_old);
}

/* The library opens it and finds as many bitmaps. */
static const char *judge_by_opening(const struct memory_file *file,
				    const struct strict_image *state)
{
	struct qcow2bm_image *image = NULL;
	struct memory_file shown = *file;
	if (q2_image_open(&image, memory_storage_open(&shown), NULL) != QCOW2BM_OK)
		return "the library cannot open it";
	size_t usable = 0;
	for (size_t i = 0; i < qcow2bm_bitmap_count(image); i++) {
		struct qcow2bm_bitmap bitmap = *qcow2bm_bitmap_describe(image, i);
		usable += bitmap.state != QCOW2BM_STATE_CORRUPT;
	}
	qcow2bm_image_close(image);
	return usable == state->bitmap_count ? NULL : "the library finds other bitmaps";
}

static const char *compare_again(const struct crash_trial *trial,
				 const struct strict_image *state,
				 const struct strict_image *again, bool is_refused)
{
	bool is_old = is_same(trial, state, &trial->before);
	bool is_cut_off = state->has_extension && !(state->autoclear & 1);
	if (again->problems != 0)
		return "the edit, done again, broke the image";
	if (again->guest_sum != state->guest_sum ||
	    again->header_sum != state->header_sum)
		return "the edit, done again, changed what is not its own";
	if (is_refused && !is_same(trial, again, state))
		return "the edit, done again, is refused and changed the bitmaps";
	if (is_refused && is_old && !is_cut_off)
		return "the edit, done again, is refused";
	if (!is_refused && is_old && !is_same(trial, again, &trial->after))
		return "the edit, done again, gives another state";
	return NULL;
}

/* The edit once more: on the old state it gives the new one; on the new one it changes
 * nothing more, or has nothing to do. */
static const char *judge_by_editing(struct crash_trial *trial,
				    const struct memory_file *file,
				    const struct strict_image *state)
{
	struct memory_file copy = {0};
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	struct strict_image again;
	memory_file_fill(&copy, file->bytes, file->length);
	enum qcow2bm_code code = edit_case_run(edit_case_storage(trial->image, &copy),
					       trial->edit, NULL, &result, &err);
	strict_read(&again, copy.bytes, copy.length);
	const char *wrong = compare_again(trial, state, &again, code != QCOW2BM_OK);
	if (wrong == NULL && code != QCOW2BM_OK && err.sentence[0] == '\0')
		wrong = "the edit, done again, is refused without a sentence";
	trial->counts.repeated += code == QCOW2BM_OK;
	trial->counts.refused += code != QCOW2BM_OK;
	strict_free(&again);
	memory_file_free(&copy);
	return wrong;
}

static uint8_t judge_anew(struct crash_trial *trial, const struct crash_state *shown)
{
	struct strict_image state;
	uint8_t verdict = 0;
	strict_read(&state, shown->file->bytes, shown->file->length);
	const char *wrong = judge_strictly(trial, &state, &verdict);
	if (wrong == NULL)
		wrong = judge_by_opening(shown->file, &state);
	if (wrong == NULL)
		wrong = judge_by_editing(trial, shown->file, &state);
	trial->counts.judged++;
	if (wrong != NULL)
		complain(trial, shown->stretch, wrong);
	else if (trial->each != NULL)
		trial->each(trial->opaque, shown);
	strict_free(&state);
	return verdict;
}

static void judge(void *opaque, const struct crash_state *shown)
{
	struct crash_trial *trial = opaque;
	bool is_there;
	uint8_t *verdict = find_verdict(&trial->seen, shown->digest, &is_there);
	if (!is_there)
		*verdict = judge_anew(trial, shown);
	if (shown->stretch >= trial->switched_at && !(*verdict & VERDICT_NEW))
		complain(trial, shown->stretch, "the old state is back");
	trial->counts.states++;
	trial->counts.third += (*verdict & VERDICT_THIRD) != 0;
	trial->counts.new += (*verdict & VERDICT_NEW) != 0;
	trial->counts.old += (*verdict & (VERDICT_NEW | VERDICT_THIRD)) == 0;
	trial->counts.leaks += (*verdict & VERDICT_LEAKS) != 0;
}

void crash_trial_judge(struct crash_trial *trial, const struct crash_limits *limits)
{
	crash_states_visit(&trial->log, limits, judge, trial);
}

/* ---- One edit ----------------------------------------------------------------------- */

bool crash_trial_learn(struct crash_trial *trial, const struct memory_file *file,
		       struct qcow2bm_error *err)
{
	struct qcow2bm_result result;
	memory_file_fill(&trial->before_file, file->bytes, file->length);
	memory_file_fill(&trial->after_file, file->bytes, file->length);
	if (edit_case_run(edit_case_storage(trial->image, &trial->after_file),
			  trial->edit, NULL, &result, err) != QCOW2BM_OK)
		return false;
	struct strict_image *before = &trial->before, *after = &trial->after;
	strict_read(before, trial->before_file.bytes, trial->before_file.length);
	strict_read(after, trial->after_file.bytes, trial->after_file.length);
	if (before->problems != 0)
		complain(trial, 0, before->problem);
	if (after->problems != 0)
		complain(trial, SIZE_MAX, after->problem);
	if (!trial->may_do_nothing && strict_same_bitmaps(before, after))
		complain(trial, SIZE_MAX, "the edit changes nothing");
	if (after->leaks != before->leaks || result.leaked_clusters != 0)
		complain(trial, SIZE_MAX, "it leaks clusters although nothing failed");
	return true;
}

/* After how many syncs the new state is durable. SIZE_MAX: never. */
static size_t find_switch(const struct crash_trial *trial)
{
	const struct record_log *log = &trial->log;
	struct memory_file file = {0};
	size_t syncs = 0;
	bool is_new = log->count == 0;
	for (size_t i = record_log_find(log, 0, RECORD_SYNC); !is_new && i < log->count;
	     i = record_log_find(log, i + 1, RECORD_SYNC)) {
		struct strict_image state;
		record_log_replay(log, i + 1, &file);
		strict_read(&state, file.bytes, file.length);
		is_new = is_same(trial, &state, &trial->after);
		strict_free(&state);
		syncs++;
	}
	memory_file_free(&file);
	return is_new ? syncs : SIZE_MAX;
}

static bool ask(void *opaque)
{
	struct crash_trouble *trouble = opaque;
	return ++trouble->questions == trouble->interrupt_at;
}

enum qcow2bm_code crash_trial_record(struct crash_trial *trial,
				     struct crash_trouble *trouble)
{
	struct memory_file file = {0};
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	struct qcow2bm_watch watch = QCOW2BM_WATCH_INIT;
	watch.interrupted = ask;
	watch.opaque = trouble;
	record_log_free(&trial->log);
	memory_file_fill(&file, trial->before_file.bytes, trial->before_file.length);
	struct q2_storage *storage =
		record_storage_open(edit_case_storage(trial->image, &file), &trial->log);
	if (trouble != NULL)
		storage = fault_storage_open(storage, &trouble->plan);
	enum qcow2bm_code code =
		edit_case_run_by(storage, trial->edit,
				 trial->commit == NULL ? commit_copied : trial->commit,
				 trouble == NULL ? NULL : &watch, &result, &err);
	memory_file_free(&file);
	trial->switched_at = SIZE_MAX;
	if (!trial->must_stay_old)
		trial->switched_at = find_switch(trial);
	if (!trial->must_stay_old && code == QCOW2BM_OK && trial->switched_at == SIZE_MAX)
		complain(trial, SIZE_MAX, "success was reported before it was durable");
	return code;
}

void crash_trial_free(struct crash_trial *trial)
{
	strict_free(&trial->before);
	strict_free(&trial->after);
	record_log_free(&trial->log);
	memory_file_free(&trial->before_file);
	memory_file_free(&trial->after_file);
	crash_seen_free(&trial->seen);
	memset(&trial->seen, 0, sizeof(trial->seen));
}

void crash_trial_keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

/* ---- Counts ------------------------------------------------------------------------- */

void crash_counts_print_head(void)
{
	printf("%-74s %9s %9s %9s %9s %5s %9s %9s %9s %5s\n", "image: edit", "states",
	       "judged", "old", "new", "third", "leaks", "repeated", "refused", "wrong");
}

void crash_counts_print(const char *title, const char *edit,
			const struct crash_counts *counts)
{
	char name[256];
	snprintf(name, sizeof(name), "%s%s%s", title, edit == NULL ? "" : ": ",
		 edit == NULL ? "" : edit);
	printf("%-74.74s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %5" PRIu64
	       " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %5" PRIu64 "\n",
	       name, counts->states, counts->judged, counts->old, counts->new,
	       counts->third, counts->leaks, counts->repeated, counts->refused,
	       counts->wrong);
	fflush(stdout);
}

void crash_counts_add(struct crash_counts *total, const struct crash_counts *counts)
{
	total->states += counts->states;
	total->judged += counts->judged;
	total->old += counts->old;
	total->new += counts->new;
	total->third += counts->third;
	total->leaks += counts->leaks;
	total->repeated += counts->repeated;
	total->refused += counts->refused;
	total->wrong += counts->wrong;
}
