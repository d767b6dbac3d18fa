/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit of two images that was cut off is resumed while one call on one of the files fails, each in its
 * turn, once or from then on: what is decided without an answer changes nothing; after any failure resuming
 * again ends as it should. */
#include "../support/cut_off.h"
#include "../support/strict_reader.h"
#include "edit/intent_file.h"
#include "edit/resume.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { INTENT = CUT_OFF_IMAGES, FILES };

static const struct way {
	const char *words;
	bool time_passes; /* which leaves only the way back for a bitmap that begins */
	enum qcow2bm_resume_outcome outcome;
	size_t bitmaps;
} ways[] = {
	{"merge b a, delete a", false, QCOW2BM_RESUME_FINISHED, 2},
	{"add n", true, QCOW2BM_RESUME_TAKEN_BACK, 3},
};

struct tally {
	unsigned done, undecided, unknown;
};

static void count_bitmaps(struct cut_off *cut, size_t counts[CUT_OFF_IMAGES])
{
	for (size_t i = 0; i < CUT_OFF_IMAGES; i++) {
		struct strict_image image;
		assert_true(
			strict_read(&image, cut->images[i].bytes, cut->images[i].length));
		counts[i] = image.bitmap_count;
		strict_free(&image);
	}
}

/* As `chain resume` does it. *has_written: it began to. */
static enum qcow2bm_code resume(struct cut_off *cut, struct fault_plan faults[FILES],
				enum qcow2bm_resume_outcome *outcome, bool *has_written)
{
	struct q2_storage *storages[CUT_OFF_IMAGES];
	struct q2_storage *file =
		fault_storage_open(memory_storage_open(&cut->file), &faults[INTENT]);
	struct q2_intent intent;
	struct q2_resume resuming;
	bool is_whole;
	enum qcow2bm_code code = q2_intent_load(&intent, file, &is_whole, NULL);
	q2_storage_close(file);
	*has_written = false;
	if (code != QCOW2BM_OK)
		return code;
	assert_true(is_whole);
	for (size_t i = 0; i < CUT_OFF_IMAGES; i++)
		storages[i] = fault_storage_open(memory_storage_open(&cut->images[i]),
						 &faults[i]);
	code = q2_resume_open(&resuming, &intent, storages, NULL, NULL);
	if (code == QCOW2BM_OK)
		code = q2_resume_decide(&resuming, outcome, NULL);
	*has_written = code == QCOW2BM_OK;
	if (code == QCOW2BM_OK)
		code = q2_resume_do(&resuming, *outcome, NULL);
	q2_resume_close(&resuming);
	q2_intent_free(&intent);
	return code;
}

/* Both have the state that the way ends in. */
static void check_end(struct cut_off *cut, size_t bitmaps)
{
	size_t counts[CUT_OFF_IMAGES];
	count_bitmaps(cut, counts);
	assert_int_equal(counts[0], bitmaps);
	assert_int_equal(counts[1], bitmaps);
}

static void judge(struct cut_off *cut, const struct way *way, enum qcow2bm_code code,
		  bool has_written, struct tally *tally)
{
	struct fault_plan none[FILES] = {{.kinds = 0}};
	enum qcow2bm_resume_outcome outcome;
	if (code == QCOW2BM_OK) {
		tally->done++;
		check_end(cut, way->bitmaps);
		return;
	}
	size_t counts[CUT_OFF_IMAGES];
	count_bitmaps(cut, counts);
	assert_true(has_written || counts[0] != counts[1]);
	assert_true(!has_written || code == QCOW2BM_EUNKNOWN);
	tally->unknown += has_written;
	tally->undecided += !has_written;
	assert_int_equal(resume(cut, none, &outcome, &has_written), QCOW2BM_OK);
	check_end(cut, way->bitmaps);
}

static void try_all(const struct way *way, size_t file, bool then_on, struct tally *tally)
{
	for (size_t at = 1, hit = 1; hit != 0; at++) {
		struct cut_off cut;
		struct fault_plan faults[FILES] = {{.kinds = 0}};
		enum qcow2bm_resume_outcome outcome;
		bool has_written;
		assert_true(cut_off_make(&cut, way->words, way->words));
		for (size_t i = 0; way->time_passes && i < CUT_OFF_IMAGES; i++)
			cut.images[i].writes++;
		faults[file] = (struct fault_plan){.kinds = FAULT_ANY,
						   .at = at,
						   .from_then_on = then_on,
						   .half_first = true,
						   .half_unit = 512,
						   .sys_errno = EIO};
		enum qcow2bm_code code = resume(&cut, faults, &outcome, &has_written);
		if (code == QCOW2BM_OK)
			assert_int_equal(outcome, way->outcome);
		hit = faults[file].failures;
		judge(&cut, way, code, has_written, tally);
		cut_off_free(&cut);
	}
}

static void after_each_failure_it_can_be_resumed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct tally tally = {0, 0, 0};
		for (size_t file = 0; file < FILES; file++)
			for (int then_on = 0; then_on < 2; then_on++)
				try_all(&ways[i], file, then_on != 0, &tally);
		printf("%s: %u done, %u undecided, %u unknown\n", ways[i].words,
		       tally.done, tally.undecided, tally.unknown);
		assert_true(tally.done != 0 && tally.undecided != 0 &&
			    tally.unknown != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_each_failure_it_can_be_resumed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
