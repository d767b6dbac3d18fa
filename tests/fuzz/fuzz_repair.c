/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options (1 byte) and an image that may be broken, which is checked and repaired. After success
 * it opens, nothing is left that a repair would mend, every sound bitmap has its bits, and what
 * is not the bitmaps' is as it was.
 */
#include "../support/fault_storage.h"
#include "../support/memory_storage.h"
#include "fuzz.h"
#include "image/image.h"
#include "mutate_image.h"
#include "others.h"
#include "../support/copies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BITMAPS 64

enum {
	OPTION_TRUST = 1,
	OPTION_DROP_IN_USE = 2,
	OPTION_DROP_ALL = 4,
	OPTION_DROP_FIRST = 8,
	OPTION_FAULT = 32, /* the place of it is in the two highest bits */
	FLAGS_MASK = OPTION_TRUST | OPTION_DROP_IN_USE | OPTION_DROP_ALL
};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct random random;
	random_seed(&random, seed);
	if (size == 0 || random_percent(&random, 10))
		data[0] = random_percent(&random, 50) ? OPTION_TRUST
						      : (uint8_t)random_word(&random);
	if (max_size < 1 + 512)
		return size;
	size_t image_bytes = size == 0 ? 0 : size - 1;
	return 1 + mutate_image(data + 1, image_bytes, max_size - 1, &random);
}

/* A bitmap as it can be told apart from all others. */
struct seen {
	uint64_t digest; /* of name, flags, granularity and bits */
	bool must_stay;
};

struct view {
	struct seen bitmaps[MAX_BITMAPS];
	size_t count;
	bool is_guest_sound;
	bool says_leaks; /* the check before or the repair does */
};

static uint64_t mix(uint64_t digest, uint64_t value)
{
	digest = (digest ^ value) * 0x9e3779b97f4a7c15u;
	return digest ^ digest >> 29;
}

static int mix_extent(void *opaque, const struct qcow2bm_extent *extent)
{
	uint64_t *digest = opaque;
	*digest = mix(mix(*digest, extent->length), extent->dirty);
	return 0;
}

static void look(struct view *view, struct qcow2bm_image *image)
{
	for (size_t i = 0; i < view->count; i++) {
		struct qcow2bm_bitmap bitmap;
		uint64_t digest = 1;
		bitmap = *qcow2bm_bitmap_describe(image, i);
		for (size_t c = 0; c < bitmap.name_bytes; c++)
			digest = mix(digest, (uint8_t)bitmap.name[c]);
		digest = mix(digest, bitmap.granularity_bits);
		digest = mix(digest, bitmap.in_use * 2u + bitmap.recording);
		digest = mix(digest,
			     (uint64_t)qcow2bm_bitmap_extents(
				     image, i, 0, UINT64_MAX, QCOW2BM_READ_UNTRUSTED,
				     mix_extent, &digest, NULL, NULL));
		view->bitmaps[i] = (struct seen){digest, true};
	}
}

/* Which bitmaps have nothing against them? */
static void note_sound(struct view *view, struct qcow2bm_image *image,
		       const struct qcow2bm_report *report, unsigned options)
{
	for (size_t i = 0; i < qcow2bm_report_count(report); i++) {
		const struct qcow2bm_problem *problem = qcow2bm_report_problem(report, i);
		bool drops = problem->cure == QCOW2BM_CURE_DROP ||
			     problem->cure == QCOW2BM_CURE_CHOOSE;
		if ((problem->cure == QCOW2BM_CURE_QEMU ||
		     strncmp(problem->code, "guest-", 6) == 0) &&
		    problem->severity != QCOW2BM_SEVERITY_LEAK)
			view->is_guest_sound = false;
		/* An unknown autoclear bit, which may own them, is gone with the repair. */
		view->says_leaks |= strcmp(problem->code, "leaked-unowned") == 0;
		if (drops && problem->idx < view->count)
			view->bitmaps[problem->idx].must_stay = false;
	}
	for (size_t i = 0; i < view->count; i++) {
		struct qcow2bm_bitmap bitmap = *qcow2bm_bitmap_describe(image, i);
		if ((options & OPTION_DROP_ALL) != 0 ||
		    ((options & OPTION_DROP_FIRST) != 0 && i == 0) ||
		    ((options & OPTION_DROP_IN_USE) != 0 && bitmap.in_use))
			view->bitmaps[i].must_stay = false;
	}
}

static bool has(const struct view *view, uint64_t digest)
{
	for (size_t i = 0; i < view->count; i++)
		if (view->bitmaps[i].digest == digest)
			return true;
	return false;
}

static void compare(const struct view *before, const struct view *after)
{
	for (size_t i = 0; i < after->count; i++)
		fuzz_require(has(before, after->bitmaps[i].digest),
			     "bitmap %zu after the repair was not there before", i);
	for (size_t i = 0; i < before->count; i++)
		fuzz_require(!before->bitmaps[i].must_stay ||
				     has(after, before->bitmaps[i].digest),
			     "the repair dropped or changed bitmap %zu, which was sound",
			     i);
}

/* Each cluster of the bitmaps is theirs alone, and counted once, or more often after a fault. Where
 * the guest has invalid entries nobody can tell what they name. */
static void check_owners(const struct memory_file *file, bool may_leak)
{
	struct owners owners;
	owners_find(&owners, file->bytes, file->length);
	for (uint64_t i = 0; i < owners.clusters; i++) {
		if ((owners.owner[i] & OWNER_OURS) == 0)
			continue;
		fuzz_require((owners.owner[i] & ~(unsigned)OWNER_OURS) == 0 &&
				     owners.claims[i] == 1,
			     "after the repair cluster %llu has owners %#x, %u claims",
			     (unsigned long long)i, owners.owner[i], owners.claims[i]);
		uint64_t refcount = owners_refcount(&owners, i);
		fuzz_require(refcount == 1 || (may_leak && refcount > 1),
			     "after the repair cluster %llu of a bitmap is counted %llu "
			     "times",
			     (unsigned long long)i, (unsigned long long)refcount);
	}
	owners_free(&owners);
}

/* What a check finds now is not for a repair, and a repair does nothing; of an image that is marked
 * corrupt, or was not closed, all bitmaps can be dropped, and nothing else be repaired. Leaks may be left after a
 * fault, and where the guest's structures were damaged: what those name past the end lies inside
 * a file that has grown, so that they may be sound now. */
static void check_again(struct memory_file *file, unsigned options, bool may_leak)
{
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	struct qcow2bm_edit *edit;
	struct qcow2bm_plan plan;
	struct qcow2bm_error err = {0};
	const struct qcow2bm_repair_options trust = {
		.size = sizeof(struct qcow2bm_repair_options),
		.flags = OPTION_TRUST | (options & OPTION_DROP_ALL)};
	fuzz_require(q2_image_open_damaged(&image, memory_storage_open(file), &err) ==
				     QCOW2BM_OK &&
			     qcow2bm_image_check(image, NULL, &report, NULL, &err) ==
				     QCOW2BM_OK,
		     "after the repair it cannot be checked: %s", err.sentence);
	for (size_t i = 0; i < qcow2bm_report_count(report); i++) {
		const struct qcow2bm_problem *problem = qcow2bm_report_problem(report, i);
		bool may_stay = problem->cure != QCOW2BM_CURE_MEND &&
				problem->cure != QCOW2BM_CURE_DROP &&
				problem->cure != QCOW2BM_CURE_CHOOSE;
		fuzz_require(may_stay || (may_leak &&
					  problem->severity == QCOW2BM_SEVERITY_LEAK),
			     "the repair left: %s: %s", problem->code, problem->sentence);
	}
	fuzz_require(qcow2bm_edit_begin(&edit, image, &err) == QCOW2BM_OK &&
			     qcow2bm_edit_repair(edit, report, &trust, &err) ==
				     QCOW2BM_OK &&
			     plan_copied(edit, 0, &plan, NULL, &err) == QCOW2BM_OK,
		     "a second repair is refused: %s", err.sentence);
	fuzz_require(plan.changes == 0 && (may_leak || plan.write_clusters == 0),
		     "a second repair has %zu changes, %llu clusters", plan.changes,
		     (unsigned long long)plan.write_clusters);
	qcow2bm_edit_end(edit);
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
}

static void judge(struct memory_file *file, const struct view *before, unsigned options)
{
	struct qcow2bm_image *image;
	struct qcow2bm_error err = {0};
	struct view after = {.count = 0};
	fuzz_require(q2_image_open(&image, memory_storage_open(file), &err) == QCOW2BM_OK,
		     "after the repair it does not open: %s", err.sentence);
	after.count = qcow2bm_bitmap_count(image);
	for (size_t i = 0; i < after.count; i++) {
		struct qcow2bm_bitmap bitmap = *qcow2bm_bitmap_describe(image, i);
		fuzz_require(bitmap.problem == NULL,
			     "after the repair bitmap %zu is corrupt: %s", i,
			     bitmap.problem);
	}
	look(&after, image);
	qcow2bm_image_close(image);
	compare(before, &after);
	/* Where the structures are too broken to plan with, the last bitmap is dropped by the header
	 * alone, and what it had is for a second repair; so is what may be left of damaged ones. */
	bool may_leak = (options & OPTION_FAULT) != 0 || before->says_leaks;
	if (before->is_guest_sound)
		check_owners(file, may_leak);
	check_again(file, options, may_leak || !before->is_guest_sound);
}

/* Stages and commits the repair. */
static enum qcow2bm_code repair(struct qcow2bm_image *image,
				const struct qcow2bm_report *report, unsigned options,
				struct qcow2bm_result *result)
{
	static const size_t first = 0;
	struct qcow2bm_edit *edit;
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = qcow2bm_edit_begin(&edit, image, &err);
	if (code != QCOW2BM_OK)
		return code;
	const struct qcow2bm_repair_options wanted = {
		.size = sizeof(struct qcow2bm_repair_options),
		.flags = options & FLAGS_MASK,
		.drop = &first,
		.drop_count = (options & OPTION_DROP_FIRST) != 0,
	};
	code = qcow2bm_edit_repair(edit, report, &wanted, &err);
	fuzz_check_error(code, &err);
	if (code == QCOW2BM_OK) {
		code = commit_copied(edit, NULL, result, NULL, &err);
		fuzz_check_error(code, &err);
	}
	qcow2bm_edit_end(edit);
	return code;
}

static void check_and_repair(struct qcow2bm_image *image, struct memory_file *file,
			     struct fault_plan *fault, unsigned options)
{
	struct view before = {.count = qcow2bm_bitmap_count(image)};
	struct qcow2bm_report *report;
	struct qcow2bm_error err = {0};
	struct others others;
	struct qcow2bm_result result = {.switched = false};
	if (before.count > MAX_BITMAPS)
		return;
	enum qcow2bm_code code = qcow2bm_image_check(image, NULL, &report, NULL, &err);
	fuzz_check_error(code, &err);
	if (code != QCOW2BM_OK)
		return;
	look(&before, image);
	before.is_guest_sound = true;
	note_sound(&before, image, report, options);
	others_note(&others, file->bytes, file->length, false);
	/* To drop all bitmaps of a broken image the header is changed alone, whoever names it. */
	others.is_repair = true;
	fault->at = options & OPTION_FAULT ? 1 + (options >> 6) * 5 : 0;
	code = repair(image, report, options, &result);
	before.says_leaks |= result.leak_reason[0] != '\0';
	fault->at = 0;
	/* After a fault what was counted too high may have stayed so. */
	others_check(&others, file->bytes, file->length,
		     code == QCOW2BM_OK && (options & OPTION_FAULT) == 0);
	if (code == QCOW2BM_OK)
		judge(file, &before, options);
	others_free(&others);
	qcow2bm_report_free(report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct memory_file file = {0};
	struct qcow2bm_image *image;
	struct qcow2bm_error err = {0};
	struct fault_plan fault = {
		.kinds = FAULT_WRITE | FAULT_SYNC | FAULT_RESIZE | FAULT_DISCARD,
		.sys_errno = ENOSPC,
	};
	unsigned options = fuzz_byte(&input);
	memory_file_fill(&file, input.bytes, input.left);
	file.limit = file.length + (1u << 20);
	enum qcow2bm_code code = q2_image_open_damaged(
		&image, fault_storage_open(memory_storage_open(&file), &fault), &err);
	fuzz_check_error(code, &err);
	if (code == QCOW2BM_OK) {
		check_and_repair(image, &file, &fault, options);
		qcow2bm_image_close(image);
	}
	memory_file_free(&file);
	return 0;
}
