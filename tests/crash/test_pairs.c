/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every operation after every other: the second one recorded on the image that the first one
 * left, and both in one edit. Every state that a power cut can leave of it is judged.
 * Environment: QCOW2BM_CRASH_ALL=N looks at all states between two syncs when there are no
 * more than N, on more images.
 */
#include "../support/crash_trial.h"
#include "../support/edit_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OPERATIONS 8
#define WAYS 5
#define WORDS_BYTES 64

/* Of the ways to do an operation the first one is taken that the image allows and that changes
 * something, on the bitmap that the operation before has made or changed where it can be; else
 * the first that it allows. */
static const char *const operations[OPERATIONS][WAYS] = {
	{"add n", "add m"},
	{"delete n", "delete a", "delete b"},
	{"rename n m", "rename a n", "rename b n"},
	{"clear n", "clear a", "clear b"},
	{"enable n", "enable a", "enable b", "enable c"},
	{"disable n", "disable a", "disable b"},
	{"merge n b", "merge n a", "merge a b", "merge b c", "merge b a"},
	{"merge-from n x", "merge-from a x", "merge-from b x"},
};

/* The first ones are those of the quick run. */
static const char *const images[] = {
	"small",  "one",           "payload-at-504",   "refcount-order-0",
	"none",   "none-backing",  "refcount-order-1", "refcount-order-6",
	"device", "block-order-0", "block-order-1",    "block-order-4",
	"block",  "autoclear",     "none-far-junk",    "payload-at-504-backing",
	"table",
};

#define QUICK_IMAGES 4

struct pairs {
	const char *image;
	struct memory_file file;
	struct crash_limits limits[2];
	struct crash_counts in_a_row, in_one_edit, total;
	unsigned tried, refused;
};

enum outcome { REFUSED, NOTHING, CHANGED };

/* Does the edit to a copy of the file, in *after. */
static enum outcome try_edit(const char *image, const struct memory_file *file,
			     const char *edit, struct memory_file *after)
{
	struct qcow2bm_result result;
	struct strict_image was, is;
	memory_file_fill(after, file->bytes, file->length);
	if (edit_case_run(edit_case_storage(image, after), edit, NULL, &result, NULL) !=
	    QCOW2BM_OK)
		return REFUSED;
	strict_read(&was, file->bytes, file->length);
	strict_read(&is, after->bytes, after->length);
	bool is_same = strict_same_bitmaps(&was, &is);
	strict_free(&was);
	strict_free(&is);
	return is_same ? NOTHING : CHANGED;
}

static const char *choose(const char *image, const struct memory_file *file,
			  const char *const ways[WAYS], struct memory_file *after)
{
	for (enum outcome least = CHANGED; least > REFUSED; least--)
		for (size_t i = 0; i < WAYS && ways[i] != NULL; i++)
			if (try_edit(image, file, ways[i], after) >= least)
				return ways[i];
	return NULL;
}

/* False when the edit is refused. */
static bool judge_edit(struct pairs *pairs, const struct memory_file *file,
		       const char *edit, const char *what, struct crash_counts *counts)
{
	struct crash_trial trial = {
		.image = pairs->image,
		.edit = edit,
		.what = what,
		.may_do_nothing = true,
	};
	bool is_done = crash_trial_learn(&trial, file, NULL);
	if (is_done) {
		if (crash_trial_record(&trial, NULL) != QCOW2BM_OK)
			trial.counts.wrong++;
		crash_trial_judge(&trial, &pairs->limits[0]);
		crash_trial_judge(&trial, &pairs->limits[1]);
		crash_counts_add(counts, &trial.counts);
	}
	crash_trial_free(&trial);
	return is_done;
}

static void try_pair(struct pairs *pairs, const char *first,
		     const struct memory_file *after_first, const char *const ways[WAYS])
{
	struct memory_file after = {0};
	char both[2 * WORDS_BYTES];
	const char *second = choose(pairs->image, after_first, ways, &after);
	memory_file_free(&after);
	if (second == NULL)
		return;
	pairs->tried++;
	snprintf(both, sizeof(both), "%s, %s", first, second);
	judge_edit(pairs, after_first, second, first, &pairs->in_a_row);
	if (!judge_edit(pairs, &pairs->file, both, "in one edit", &pairs->in_one_edit))
		pairs->refused++;
}

static void print(struct pairs *pairs, const char *first, const char *how,
		  const struct crash_counts *counts)
{
	char title[WORDS_BYTES * 2];
	snprintf(title, sizeof(title), "%s%s", first, how);
	crash_counts_print(pairs->image, title, counts);
	crash_counts_add(&pairs->total, counts);
}

static void try_image(struct pairs *pairs)
{
	if (!edit_case_image(pairs->image, &pairs->file))
		fail_msg("no image %s", pairs->image);
	for (size_t i = 0; i < OPERATIONS; i++) {
		struct memory_file after = {0};
		const char *first =
			choose(pairs->image, &pairs->file, operations[i], &after);
		memset(&pairs->in_a_row, 0, sizeof(pairs->in_a_row));
		memset(&pairs->in_one_edit, 0, sizeof(pairs->in_one_edit));
		for (size_t j = 0; first != NULL && j < OPERATIONS; j++)
			try_pair(pairs, first, &after, operations[j]);
		if (first != NULL) {
			print(pairs, first, "; then each operation", &pairs->in_a_row);
			print(pairs, first, ", and each operation in one edit",
			      &pairs->in_one_edit);
		}
		memory_file_free(&after);
	}
	memory_file_free(&pairs->file);
}

static void test_every_pair_of_operations(void **state)
{
	(void)state;
	struct pairs pairs = {
		.limits = {{.sector_bytes = 512, .all = 64, .sample = 16},
			   {.sector_bytes = 4096, .all = 8, .sample = 4}},
	};
	const char *all = getenv("QCOW2BM_CRASH_ALL");
	for (size_t i = 0; all != NULL && i < 2; i++) {
		pairs.limits[i].all = strtoull(all, NULL, 10);
		pairs.limits[i].sample = pairs.limits[i].all / 16;
	}
	crash_trial_keep_memory();
	crash_counts_print_head();
	size_t count = all != NULL ? sizeof(images) / sizeof(images[0]) : QUICK_IMAGES;
	for (size_t i = 0; i < count; i++) {
		unsigned tried = pairs.tried;
		pairs.image = images[i];
		try_image(&pairs);
		/* Three bitmaps are enough for every pair. */
		if (strcmp(images[i], "small") == 0)
			assert_int_equal(pairs.tried - tried, OPERATIONS * OPERATIONS);
	}
	crash_counts_print("total", NULL, &pairs.total);
	printf("%u pairs, %u of them refused in one edit\n", pairs.tried, pairs.refused);
	assert_int_equal(pairs.total.wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair_of_operations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
