/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a repair refuses, and what it leaves as it is because it cannot know better. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/damaged_image.h"
#include "../support/record_storage.h"
#include "image/image.h"
#include "../support/copies.h"

#define B 1 /* the bitmap in the middle */
#define RESERVED_L2_BIT 2

struct attempt {
	unsigned check_flags, commit_flags;
	struct qcow2bm_repair_options options;
	enum qcow2bm_code code;
	struct qcow2bm_plan plan;
	struct qcow2bm_result result;
	struct qcow2bm_error err;
	size_t operations; /* on the file */
};

static void stage_and_commit(struct attempt *attempt, struct qcow2bm_image *image,
			     const struct qcow2bm_report *report)
{
	const struct qcow2bm_commit_options commit = {
		.size = sizeof(struct qcow2bm_commit_options),
		.flags = attempt->commit_flags};
	struct qcow2bm_edit *edit;
	attempt->options.size = sizeof(attempt->options);
	assert_int_equal(qcow2bm_edit_begin(&edit, image, NULL), QCOW2BM_OK);
	attempt->code =
		qcow2bm_edit_repair(edit, report, &attempt->options, &attempt->err);
	if (attempt->code == QCOW2BM_OK)
		attempt->code = plan_copied(edit, attempt->commit_flags, &attempt->plan,
					    NULL, &attempt->err);
	if (attempt->code == QCOW2BM_OK)
		attempt->code = commit_copied(edit, &commit, &attempt->result, NULL,
					      &attempt->err);
	qcow2bm_edit_end(edit);
}

static struct qcow2bm_image *open_damaged(struct memory_file *file,
					  struct record_log *log)
{
	struct qcow2bm_image *image;
	struct q2_storage *storage = memory_storage_open(file);
	if (log != NULL)
		storage = record_storage_open(storage, log);
	assert_int_equal(q2_image_open_damaged(&image, storage, NULL), QCOW2BM_OK);
	return image;
}

static void try(struct attempt *attempt, struct damaged_image *damaged)
{
	const struct qcow2bm_check_options check = {
		.size = sizeof(struct qcow2bm_check_options),
		.flags = attempt->check_flags};
	struct record_log log = {.count = 0};
	struct qcow2bm_report *report;
	struct qcow2bm_image *image = open_damaged(&damaged->file, &log);
	assert_int_equal(qcow2bm_image_check(image, &check, &report, NULL, NULL),
			 QCOW2BM_OK);
	stage_and_commit(attempt, image, report);
	attempt->operations = log.count;
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
	record_log_free(&log);
}

static void make(struct damaged_image *image, void (*damage)(struct damaged_image *))
{
	const struct damaged_case damaged = {.damage = damage};
	damaged_image_make(image, &damaged_layouts[0], &damaged);
}

static uint64_t load(const struct damaged_image *image, uint64_t off)
{
	return strict_load(image->file.bytes + off, 8);
}

static void store(struct damaged_image *image, uint64_t off, uint64_t value)
{
	for (unsigned i = 8; i-- > 0; value >>= 8)
		image->file.bytes[off + i] = (uint8_t)value;
}

static uint64_t data_off(const struct damaged_image *image, size_t idx, unsigned nth)
{
	return load(image, damaged_image_entry(image, idx, nth));
}

/* With these flags it is refused, says `words`, and does nothing to the file. */
static void expect_refused(void (*damage)(struct damaged_image *), unsigned flags,
			   enum qcow2bm_code code, const char *words)
{
	struct damaged_image image;
	struct attempt attempt = {.options = {.flags = flags}};
	make(&image, damage);
	try(&attempt, &image);
	assert_int_equal(attempt.code, code);
	if (strstr(attempt.err.sentence, words) == NULL)
		fail_msg("'%s' is not in: %s", words, attempt.err.sentence);
	assert_int_equal(attempt.operations, 0);
	damaged_image_free(&image);
}

/* ---- Refused ------------------------------------------------------------------------ */

static void nothing(struct damaged_image *image)
{
	(void)image;
}

static void second_extension(struct damaged_image *image)
{
	uint8_t *head = image->file.bytes + image->payload_off - 8;
	memmove(head + 32, head, 32);
}

static void autoclear_lost(struct damaged_image *image)
{
	store(image, 88, 0);
}

static void autoclear_lost_and_free(struct damaged_image *image)
{
	autoclear_lost(image);
	damaged_image_count(image, data_off(image, B, 0), 0);
}

static void directory_misplaced(struct damaged_image *image)
{
	store(image, image->payload_off + 16, image->directory_off + 8);
}

/* The file grows to where no refcount block counts, and data of a bitmap is there. */
static void uncounted(struct damaged_image *image)
{
	uint64_t entry = damaged_image_entry(image, B, 0), data = load(image, entry);
	uint64_t cluster_bytes = (uint64_t)1 << image->cluster_bits;
	uint64_t counted = cluster_bytes
			   << (image->cluster_bits + 3 - image->refcount_order);
	uint64_t table = load(image, 48), blocks = 0;
	while (load(image, table + blocks * 8) != 0)
		blocks++;
	memory_file_resize(&image->file, blocks * counted + cluster_bytes);
	memcpy(image->file.bytes + blocks * counted, image->file.bytes + data,
	       cluster_bytes);
	store(image, entry, blocks * counted);
	damaged_image_count(image, data, 0);
}

static void what_nobody_can_tell_is_refused(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags < 8; flags++)
		expect_refused(second_extension, flags, QCOW2BM_EUNSUPPORTED,
			       "two bitmaps extensions");
	expect_refused(uncounted, QCOW2BM_REPAIR_TRUST_BITMAPS, QCOW2BM_EUNSUPPORTED,
		       "no refcount block counts");
}

/* To trust the bitmaps answers one question alone. */
static void trust_is_no_other_choice(void **state)
{
	(void)state;
	expect_refused(directory_misplaced, QCOW2BM_REPAIR_TRUST_BITMAPS, QCOW2BM_EINVAL,
		       "cannot be at");
	expect_refused(autoclear_lost, 0, QCOW2BM_EINVAL, "--trust-bitmaps");
	expect_refused(autoclear_lost_and_free, QCOW2BM_REPAIR_TRUST_BITMAPS,
		       QCOW2BM_EINVAL, "may have been deleted");
}

static void a_bitmap_that_is_not_there_is_not_dropped(void **state)
{
	static const size_t drop[] = {0, DAMAGED_BITMAPS};
	struct damaged_image image;
	struct attempt attempt = {.options = {.drop = drop, .drop_count = 2}};
	(void)state;
	make(&image, nothing);
	try(&attempt, &image);
	assert_int_equal(attempt.code, QCOW2BM_EINVAL);
	assert_non_null(strstr(attempt.err.sentence, "no bitmap number 3"));
	assert_int_equal(attempt.operations, 0);
	damaged_image_free(&image);
}

static void a_report_is_for_its_image(void **state)
{
	struct damaged_image one, other;
	struct attempt attempt = {.check_flags = 0};
	struct qcow2bm_report *report;
	struct qcow2bm_image *sound;
	(void)state;
	make(&one, nothing);
	make(&other, nothing);
	struct qcow2bm_image *reported = open_damaged(&one.file, NULL);
	struct qcow2bm_image *repaired = open_damaged(&other.file, NULL);
	assert_int_equal(qcow2bm_image_check(reported, NULL, &report, NULL, NULL),
			 QCOW2BM_OK);
	stage_and_commit(&attempt, repaired, report);
	assert_int_equal(attempt.code, QCOW2BM_EINVAL);
	qcow2bm_report_free(report);
	qcow2bm_image_close(repaired);
	qcow2bm_image_close(reported);
	/* Nor is one for an image that was opened as any other. */
	assert_int_equal(q2_image_open(&sound, memory_storage_open(&one.file), NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_image_check(sound, NULL, &report, NULL, NULL),
			 QCOW2BM_OK);
	stage_and_commit(&attempt, sound, report);
	assert_int_equal(attempt.code, QCOW2BM_EINVAL);
	qcow2bm_report_free(report);
	qcow2bm_image_close(sound);
	damaged_image_free(&other);
	damaged_image_free(&one);
}

static void a_damaged_image_is_not_edited(void **state)
{
	struct damaged_image damaged;
	struct record_log log = {.count = 0};
	struct qcow2bm_edit *edit;
	struct qcow2bm_plan plan;
	(void)state;
	make(&damaged, nothing);
	struct qcow2bm_image *image = open_damaged(&damaged.file, &log);
	assert_int_equal(qcow2bm_edit_begin(&edit, image, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_delete(edit, "b1", 2, NULL), QCOW2BM_OK);
	assert_int_equal(plan_copied(edit, 0, &plan, NULL, NULL), QCOW2BM_EINVAL);
	assert_int_equal(qcow2bm_edit_commit(edit, NULL, NULL, NULL, NULL),
			 QCOW2BM_EINVAL);
	assert_int_equal(log.count, 0);
	qcow2bm_edit_end(edit);
	qcow2bm_image_close(image);
	record_log_free(&log);
	damaged_image_free(&damaged);
}

/* ---- Told which --------------------------------------------------------------------- */

static void same_name(struct damaged_image *image)
{
	memcpy(image->file.bytes + image->entry_off[B] + 24,
	       image->file.bytes + image->entry_off[0] + 24, 2);
}

static void one_of_two_with_a_name_stays_when_told_which(void **state)
{
	static const size_t drop = B;
	struct damaged_image image;
	struct strict_image sound, after;
	struct attempt attempt = {.options = {.drop = &drop, .drop_count = 1}};
	(void)state;
	make(&image, same_name);
	try(&attempt, &image);
	assert_int_equal(attempt.code, QCOW2BM_OK);
	assert_true(strict_read(&sound, image.sound.bytes, image.sound.length));
	assert_true(strict_read(&after, image.file.bytes, image.file.length));
	assert_true(damaged_image_is_kept(&sound, &after, 5));
	strict_free(&sound);
	strict_free(&after);
	damaged_image_free(&image);
}

/* ---- Left as it is ------------------------------------------------------------------ */

/* An entry of an L2 table has a bit that the format reserves. */
static void break_guest(struct damaged_image *image)
{
	uint64_t l1 = load(image, 40), l2 = 0;
	while (l2 == 0) {
		l2 = load(image, l1) & 0x00fffffffffffe00u;
		l1 += 8;
	}
	store(image, l2, load(image, l2) | RESERVED_L2_BIT);
}

/* Refcounts of two clusters of B that are wrong, and a leak. */
static void miscount(struct damaged_image *image)
{
	damaged_image_count(image, data_off(image, B, 0), 0);
	damaged_image_count(image, data_off(image, B, 1), 2);
	damaged_image_count(image, image->file.length - 1, 1);
}

static void miscount_of_the_broken(struct damaged_image *image)
{
	miscount(image);
	break_guest(image);
}

static void miscount_of_the_damaged(struct damaged_image *image)
{
	miscount_of_the_broken(image);
	image->file.bytes[image->entry_off[B] + 16] = 2; /* a type that is unknown */
}

static void expect_left(void (*damage)(struct damaged_image *), struct attempt *attempt,
			uint64_t leak)
{
	struct damaged_image image;
	make(&image, damage);
	uint64_t low = data_off(&image, B, 0), high = data_off(&image, B, 1);
	uint64_t end = image.file.length - 1;
	try(attempt, &image);
	assert_int_equal(attempt->code, QCOW2BM_OK);
	assert_true(attempt->result.switched);
	assert_int_equal(damaged_image_refcount(&image, low), 0);
	assert_int_equal(damaged_image_refcount(&image, high), 2);
	assert_int_equal(damaged_image_refcount(&image, end), leak);
	damaged_image_free(&image);
}

/* Whether what nothing seems to name is free, only a walk through a sound guest can tell: all
 * others stay counted as they are, those of bitmaps that are dropped, too. */
static void what_cannot_be_proven_stays_counted(void **state)
{
	static const size_t drop = B;
	struct attempt damaged = {.options = {.flags = QCOW2BM_REPAIR_TRUST_BITMAPS}};
	const struct qcow2bm_repair_options options = {

		.flags = QCOW2BM_REPAIR_TRUST_BITMAPS, .drop = &drop, .drop_count = 1};
	struct attempt dropped = {.options = options};
	struct attempt quick = {.check_flags = QCOW2BM_CHECK_QUICK, .options = options};
	(void)state;
	expect_left(miscount_of_the_damaged, &damaged, 1);
	expect_left(miscount_of_the_broken, &dropped, 1);
	expect_left(miscount, &quick, 1);
}

static void name_guest(struct damaged_image *image)
{
	store(image, damaged_image_entry(image, B, 0), damaged_image_guest(image));
}

/* A repair walks, whoever says that refcounts are to be trusted. */
static void data_of_the_guest_stays_counted(void **state)
{
	struct damaged_image image;
	struct attempt attempt = {.commit_flags = QCOW2BM_COMMIT_TRUST_REFCOUNTS,
				  .options = {.flags = QCOW2BM_REPAIR_TRUST_BITMAPS}};
	(void)state;
	make(&image, name_guest);
	uint64_t guest = damaged_image_guest(&image);
	try(&attempt, &image);
	assert_int_equal(attempt.code, QCOW2BM_OK);
	assert_int_equal(damaged_image_refcount(&image, guest), 1);
	damaged_image_free(&image);
}

static void leak_two(struct damaged_image *image)
{
	uint64_t cluster_bytes = (uint64_t)1 << image->cluster_bits;
	damaged_image_count(image, image->file.length - 1, 1);
	damaged_image_count(image, image->file.length - 1 - cluster_bytes, 1);
}

static void what_is_freed_is_told(void **state)
{
	struct damaged_image image;
	struct attempt attempt = {.check_flags = 0};
	(void)state;
	make(&image, leak_two);
	try(&attempt, &image);
	assert_int_equal(attempt.code, QCOW2BM_OK);
	/* With the old directory. */
	assert_int_equal(attempt.result.released_clusters, 3);
	assert_int_equal(attempt.plan.release_clusters, 3);
	damaged_image_free(&image);
}

/* ---- The header alone --------------------------------------------------------------- */

static void refcounts_misplaced(struct damaged_image *image)
{
	store(image, 48, (uint64_t)1 << 40);
	image->file.bytes[image->entry_off[B] + 16] = 2; /* a type that is unknown */
}

static void l1_damaged(struct damaged_image *image)
{
	store(image, load(image, 40), (uint64_t)1 << 40);
	image->file.bytes[image->entry_off[B] + 16] = 2;
}

/* A compressed cluster of the guest is at byte 0. */
static void header_shared(struct damaged_image *image)
{
	uint64_t l1 = load(image, 40), l2 = 0;
	while (l2 == 0) {
		l2 = load(image, l1) & 0x00fffffffffffe00u;
		l1 += 8;
	}
	store(image, l2, (uint64_t)1 << 62);
}

/* Where there is nothing to plan with, all bitmaps can be dropped, and only all. */
static void the_header_alone_drops_all(void **state)
{
	struct damaged_image image;
	struct memory_file before = {0};
	struct attempt attempt = {.options = {.flags = QCOW2BM_REPAIR_DROP_ALL}};
	struct qcow2bm_image *opened;
	(void)state;
	make(&image, refcounts_misplaced);
	memory_file_fill(&before, image.file.bytes, image.file.length);
	try(&attempt, &image);
	assert_int_equal(attempt.code, QCOW2BM_OK);
	assert_true(attempt.result.switched);
	assert_string_not_equal(attempt.result.leak_reason, "");
	assert_int_equal(image.file.length, before.length);
	assert_memory_equal(image.file.bytes + 512, before.bytes + 512,
			    before.length - 512);
	assert_int_equal(q2_image_open(&opened, memory_storage_open(&image.file), NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_bitmap_count(opened), 0);
	qcow2bm_image_close(opened);
	memory_file_free(&before);
	damaged_image_free(&image);
	expect_refused(refcounts_misplaced, QCOW2BM_REPAIR_TRUST_BITMAPS, QCOW2BM_EIMAGE,
		       "refcount table");
	expect_refused(l1_damaged, 0, QCOW2BM_EIMAGE, "an L1 table entry");
	expect_refused(header_shared, QCOW2BM_REPAIR_DROP_ALL, QCOW2BM_EIMAGE,
		       "part of the header");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_can_tell_is_refused),
		cmocka_unit_test(trust_is_no_other_choice),
		cmocka_unit_test(a_bitmap_that_is_not_there_is_not_dropped),
		cmocka_unit_test(a_report_is_for_its_image),
		cmocka_unit_test(a_damaged_image_is_not_edited),
		cmocka_unit_test(one_of_two_with_a_name_stays_when_told_which),
		cmocka_unit_test(what_cannot_be_proven_stays_counted),
		cmocka_unit_test(data_of_the_guest_stays_counted),
		cmocka_unit_test(what_is_freed_is_told),
		cmocka_unit_test(the_header_alone_drops_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
