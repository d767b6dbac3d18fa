/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every repair of a damaged image: every state that a power cut can leave of it has the guest's
 * data, and a repair of that state ends where the first one would have; with each storage
 * operation failing, once and from then on, success is reported only for the new state.
 * Environment: QCOW2BM_CRASH_ALL=N looks at all states between two syncs when there are no more
 * than N, on every layout; else at some.
 */
#include "../support/crash_states.h"
#include "../support/damaged_image.h"
#include "../support/fault_storage.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct trial {
	const struct damaged_layout *layout;
	const struct damaged_case *damaged;
	struct damaged_image image;
	struct strict_image sound;
	bool was_whole; /* nothing is wrong with the image but leaks, bitmaps that do not count aside */
	enum qcow2bm_code code; /* of the run that is judged */
	uint64_t last_digest;
	uint64_t states, mended, faults, done, failed, unknown, wrong;
	uint64_t asked; /* states whose repair wants the word that bitmaps are whole */
};

static void complain(struct trial *trial, const char *what)
{
	if (trial->wrong++ < 3)
		print_error("%s: %s: state %" PRIu64 ", code %d: %s\n",
			    trial->layout->name, trial->damaged->name, trial->states,
			    (int)trial->code, what);
}

/* Whether these bytes are sound, with the bitmaps that stay, and the guest's data. */
static bool is_mended(const struct trial *trial, const struct memory_file *file)
{
	struct strict_image state;
	strict_read(&state, file->bytes, file->length);
	bool is = state.problems == 0 && state.guest_sum == trial->sound.guest_sum &&
		  damaged_image_is_kept(&trial->sound, &state, trial->damaged->kept);
	strict_free(&state);
	return is;
}

static bool is_whole(const struct memory_file *file)
{
	struct strict_image state;
	strict_read(&state, file->bytes, file->length);
	bool is = state.problems == 0;
	strict_free(&state);
	return is;
}

static bool has_guest(const struct trial *trial, const struct memory_file *file)
{
	struct strict_image state;
	strict_read(&state, file->bytes, file->length);
	bool has = state.guest_sum == trial->sound.guest_sum;
	strict_free(&state);
	return has;
}

static enum qcow2bm_code repair_copy(struct memory_file *copy,
				     const struct memory_file *file,
				     const struct damaged_case *damaged,
				     struct qcow2bm_error *err)
{
	struct qcow2bm_result result;
	memory_file_fill(copy, file->bytes, file->length);
	return damaged_image_repair(memory_storage_open(copy), damaged, NULL, &result,
				    err);
}

/* A cluster that the cut off repair had counted, and not written yet, holds what nobody knows: it may
 * be what a damaged bitmap has lost, and the next repair asks for the word that it is not. */
static void repair_again(struct trial *trial, const struct memory_file *file)
{
	struct memory_file copy = {0};
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = repair_copy(&copy, file, trial->damaged, &err);
	if (code == QCOW2BM_EINVAL) {
		struct damaged_case trusted = *trial->damaged;
		trusted.flags |= QCOW2BM_REPAIR_TRUST_BITMAPS;
		memory_file_free(&copy);
		copy = (struct memory_file){0};
		err = (struct qcow2bm_error){0};
		trial->asked++;
		code = repair_copy(&copy, file, &trusted, &err);
	}
	if (code != QCOW2BM_OK)
		complain(trial, err.sentence);
	else if (!is_mended(trial, &copy))
		complain(trial, "a repair of that state ends elsewhere");
	memory_file_free(&copy);
}

static void judge_state(void *opaque, const struct crash_state *shown)
{
	struct trial *trial = opaque;
	bool is_new = is_mended(trial, shown->file);
	trial->states++;
	trial->mended += is_new;
	if (!has_guest(trial, shown->file))
		complain(trial, "the guest's data or its tables changed");
	if (trial->was_whole && !is_new && !is_whole(shown->file))
		complain(trial, "the image is worse than before");
	if (shown->digest != trial->last_digest)
		repair_again(trial, shown->file);
	trial->last_digest = shown->digest;
}

/* What the disk may hold after a run that has ended. */
static void judge_end(void *opaque, const struct crash_state *shown)
{
	struct trial *trial = opaque;
	if (!has_guest(trial, shown->file))
		complain(trial, "after a fault the guest's data are others");
	if (trial->code == QCOW2BM_OK && !is_mended(trial, shown->file))
		complain(trial, "success is reported, but the new state is not durable");
	repair_again(trial, shown->file);
}

static size_t count_syncs(const struct record_log *log)
{
	size_t syncs = 0;
	for (size_t i = 0; i < log->count; i++)
		syncs += log->ops[i].kind == RECORD_SYNC;
	return syncs;
}

/* Where the header says that the directory is; it is always written elsewhere. */
static uint64_t directory_off(const struct memory_file *file)
{
	struct strict_image state;
	uint64_t off = 0;
	strict_read(&state, file->bytes, file->length);
	/* The payload is in the first cluster: the extension that counts, if any. */
	uint64_t at = 112, end = (uint64_t)1 << state.cluster_bits;
	while (at + 32 <= end) {
		uint64_t type = strict_load(file->bytes + at, 4);
		uint64_t bytes = strict_load(file->bytes + at + 4, 4);
		if (type == 0 || bytes > end - at - 8)
			break;
		if (type == 0x23852875)
			off = strict_load(file->bytes + at + 24, 8) |
			      (state.autoclear & 1);
		at += 8 + (bytes + 7) / 8 * 8;
	}
	strict_free(&state);
	return off;
}

/* Repairs with the fault; false when there are fewer operations of that kind. */
static bool run_fault(struct trial *trial, const struct fault_plan *wanted)
{
	struct fault_plan plan = *wanted;
	struct memory_file file = {0};
	struct record_log log = {.count = 0};
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	const struct memory_file *damaged = &trial->image.file;
	memory_file_fill(&file, damaged->bytes, damaged->length);
	trial->code = damaged_image_repair(
		fault_storage_open(record_storage_open(memory_storage_open(&file), &log),
				   &plan),
		trial->damaged, NULL, &result, &err);
	bool was_reached = plan.failures != 0;
	if (was_reached) {
		struct crash_limits limits = {
			.all = 8, .sample = 4, .first_stretch = count_syncs(&log)};
		trial->faults++;
		trial->done += trial->code == QCOW2BM_OK;
		trial->unknown += trial->code == QCOW2BM_EUNKNOWN;
		trial->failed +=
			trial->code != QCOW2BM_OK && trial->code != QCOW2BM_EUNKNOWN;
		if (trial->code != QCOW2BM_OK && err.sentence[0] == '\0')
			complain(trial, "no sentence says what failed");
		if (trial->code != QCOW2BM_OK && trial->code != QCOW2BM_EUNKNOWN &&
		    directory_off(&file) != directory_off(damaged))
			complain(trial, "failure is reported, but it was switched over");
		crash_states_visit(&log, &limits, judge_end, trial);
	}
	record_log_free(&log);
	memory_file_free(&file);
	return was_reached;
}

static void run_faults(struct trial *trial)
{
	static const unsigned kinds[] = {FAULT_READ,
					 FAULT_WRITE | FAULT_SYNC | FAULT_RESIZE |
						 FAULT_DISCARD | FAULT_LENGTH};
	for (size_t k = 0; k < 2; k++)
		for (int on = 0; on < 2; on++) {
			struct fault_plan plan = {.kinds = kinds[k],
						  .from_then_on = on == 1,
						  .sys_errno = on == 1 ? ENOSPC : EIO};
			do
				plan.at++;
			while (run_fault(trial, &plan));
		}
}

static void visit(struct trial *trial, uint64_t all)
{
	struct memory_file file = {0};
	struct record_log log = {.count = 0};
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	const struct crash_limits limits = {.all = all, .sample = all / 2};
	memory_file_fill(&file, trial->image.file.bytes, trial->image.file.length);
	trial->code = damaged_image_repair(
		record_storage_open(memory_storage_open(&file), &log), trial->damaged,
		NULL, &result, &err);
	if (trial->code != QCOW2BM_OK || !is_mended(trial, &file))
		fail_msg("%s: %s: %s", trial->layout->name, trial->damaged->name,
			 err.sentence);
	crash_states_visit(&log, &limits, judge_state, trial);
	record_log_free(&log);
	memory_file_free(&file);
}

static void print_counts(const char *layout, const char *damage,
			 const struct trial *counts)
{
	printf("%-32s %-34s %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %7" PRIu64
	       " %7" PRIu64 " %5" PRIu64 "\n",
	       layout, damage, counts->states, counts->mended, counts->faults,
	       counts->done, counts->failed, counts->unknown, counts->wrong);
}

/* The counts of all trials, and how many there were. */
static struct trial sum;
static unsigned trials;

static void add_counts(const struct trial *trial)
{
	sum.states += trial->states;
	sum.mended += trial->mended;
	sum.faults += trial->faults;
	sum.done += trial->done;
	sum.failed += trial->failed;
	sum.unknown += trial->unknown;
	sum.wrong += trial->wrong;
	sum.asked += trial->asked;
	trials++;
}

static uint64_t try_case(const struct damaged_layout *layout,
			 const struct damaged_case *damaged, uint64_t all,
			 bool with_faults)
{
	struct trial trial = {.layout = layout, .damaged = damaged};
	damaged_image_make(&trial.image, layout, damaged);
	strict_read(&trial.sound, trial.image.sound.bytes, trial.image.sound.length);
	trial.was_whole = is_whole(&trial.image.file);
	visit(&trial, all);
	if (with_faults)
		run_faults(&trial);
	print_counts(layout->name, damaged->name, &trial);
	add_counts(&trial);
	fflush(stdout);
	strict_free(&trial.sound);
	damaged_image_free(&trial.image);
	return trial.wrong;
}

static void every_state_of_every_repair(void **state)
{
	(void)state;
	const char *asked = getenv("QCOW2BM_CRASH_ALL");
	uint64_t all = asked == NULL ? 24 : strtoull(asked, NULL, 10), wrong = 0;
	printf("%-32s %-34s %7s %7s %7s %7s %7s %7s %5s\n", "image", "damage", "states",
	       "mended", "faults", "done", "failed", "unknown", "wrong");
	for (size_t l = 0; l < damaged_layout_count; l++)
		for (size_t i = 0; i < damaged_case_count; i++) {
			const struct damaged_layout *layout = &damaged_layouts[l];
			bool is_due =
				asked != NULL || l == i % damaged_layout_count ||
				(damaged_cases[i].flags & QCOW2BM_REPAIR_TRUST_BITMAPS);
			if (is_due &&
			    layout->refcount_order >= damaged_cases[i].min_order)
				wrong += try_case(layout, &damaged_cases[i], all,
						  asked != NULL || i % 3 == 0);
		}
	char images[64];
	snprintf(images, sizeof(images), "%u damaged images", trials);
	print_counts("all", images, &sum);
	printf("asked for a choice after a power cut: %" PRIu64 "\n", sum.asked);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_of_every_repair),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
