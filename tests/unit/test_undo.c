/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Undo files: what is put back, what is refused, what a damaged or hostile one does. */
#include "../support/fault_storage.h"
#include "../support/random.h"
#include "../support/strict_reader.h"
#include "../support/undone_edit.h"

#include "base/endian.h"
#include "edit/journal.h"
#include "image/image.h"
#include "undo/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct edit_case a_case = {"small", "merge b a, merge-from b x, delete a"};

static void copy_file(struct memory_file *to, const struct memory_file *from)
{
	memory_file_fill(to, from->bytes, from->length);
	to->writes = from->writes;
}

/* Undoing is refused, says `words`, and changes nothing. */
static void expect_refused(struct memory_file *image, struct memory_file *undo,
			   unsigned flags, const char *words)
{
	struct memory_file before = {0};
	struct qcow2bm_error err = {0};
	copy_file(&before, image);
	assert_int_not_equal(undone_edit_undo(image, undo, flags, NULL, NULL, &err),
			     QCOW2BM_OK);
	if (strstr(err.sentence, words) == NULL)
		fail_msg("'%s' is not in: %s", words, err.sentence);
	assert_true(undone_edit_same(image, &before));
	memory_file_free(&before);
}

static void test_twice_is_once(void **state)
{
	struct undone_edit edit;
	struct qcow2bm_undo_result result;
	(void)state;
	assert_true(undone_edit_run(&edit, &a_case, true));
	assert_int_equal(edit.code, QCOW2BM_OK);
	assert_false(undone_edit_same(&edit.image, &edit.log.before));
	assert_int_equal(undone_edit_undo(&edit.image, &edit.undo, QCOW2BM_UNDO_DRY_RUN,
					  &result, NULL, NULL),
			 QCOW2BM_OK);
	assert_false(result.nothing);
	assert_false(undone_edit_same(&edit.image, &edit.log.before));
	assert_int_equal(
		undone_edit_undo(&edit.image, &edit.undo, 0, &result, NULL, NULL),
		QCOW2BM_OK);
	assert_true(undone_edit_same(&edit.image, &edit.log.before));
	assert_false(result.nothing || result.was_interrupted || result.forced);
	assert_true(result.restored_bytes > 0);
	struct record_log log = {0};
	assert_int_equal(
		undone_edit_undo(&edit.image, &edit.undo, 0, &result, &log, NULL),
		QCOW2BM_OK);
	assert_true(result.nothing);
	/* What a killed undo left may be in memory alone: 0 is said for stable storage. */
	assert_true(log.count > 1);
	assert_int_equal(log.ops[log.count - 1].kind, RECORD_SYNC);
	assert_true(undone_edit_same(&edit.image, &edit.log.before));
	assert_int_equal(result.restored_bytes, 0);
	record_log_free(&log);
	undone_edit_free(&edit);
}

/* All that the edit wrote is as it was before, as after an undo, but not what it let go: QEMU has
 * put other bitmaps in the place of those that were deleted. */
static void test_other_bitmaps_in_the_old_place_are_seen(void **state)
{
	static const struct edit_case all = {"small", "delete a, delete b, delete c"};
	struct undone_edit edit;
	struct memory_file image = {0};
	struct qcow2bm_image *before;
	(void)state;
	assert_true(undone_edit_run(&edit, &all, true));
	assert_int_equal(
		q2_image_open(&before, memory_storage_open(&edit.log.before), NULL),
		QCOW2BM_OK);
	const struct q2_directory *directory = &before->directory;
	uint64_t places[] = {directory->off + 15,
			     directory->bitmaps[0].entry.table_off + 6,
			     directory->bitmaps[2].entry.table_off};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		copy_file(&image, &edit.log.before);
		image.bytes[places[i]] ^= 0x40;
		expect_refused(&image, &edit.undo, 0, "something else has written since");
		expect_refused(&image, &edit.undo, QCOW2BM_UNDO_IN_USE,
			       "something else has written since");
	}
	qcow2bm_image_close(before);
	memory_file_free(&image);
	undone_edit_free(&edit);
}

/* Every sector that the edit wrote, changed by something else. */
static void test_other_writers_are_seen(void **state)
{
	struct undone_edit edit;
	struct memory_file image = {0};
	char words[64];
	size_t tried = 0;
	(void)state;
	assert_true(undone_edit_run(&edit, &a_case, true));
	for (size_t i = 0; i < edit.log.count; i++) {
		const struct record_op *op = &edit.log.ops[i];
		if (op->kind != RECORD_WRITE)
			continue;
		uint64_t off = op->off + op->bytes / 2, sector = off & ~(uint64_t)511;
		copy_file(&image, &edit.image);
		image.bytes[off] ^= 0x10;
		snprintf(words, sizeof(words), "the sector at byte %llu is",
			 (unsigned long long)sector);
		expect_refused(&image, &edit.undo, 0, words);
		expect_refused(&image, &edit.undo, QCOW2BM_UNDO_FORCE, words);
		tried++;
	}
	assert_true(tried > 5);
	copy_file(&image, &edit.image);
	memory_file_resize(&image, image.length + 1);
	expect_refused(&image, &edit.undo, QCOW2BM_UNDO_FORCE, "bytes long");
	memory_file_free(&image);
	undone_edit_free(&edit);
}

static void test_another_image_is_refused(void **state)
{
	struct undone_edit edit, other;
	static const struct edit_case other_case = {"one", "delete a"};
	(void)state;
	assert_true(undone_edit_run(&edit, &a_case, true));
	assert_true(undone_edit_run(&other, &other_case, true));
	expect_refused(&other.image, &edit.undo, QCOW2BM_UNDO_FORCE,
		       "else has written since");
	undone_edit_free(&other);
	undone_edit_free(&edit);
}

/* Sectors of one moment and sectors of another, each of them known. */
static void test_mixed_moments_are_refused(void **state)
{
	struct undone_edit edit;
	struct memory_file image = {0};
	(void)state;
	assert_true(undone_edit_run(&edit, &a_case, true));
	size_t sync = record_log_find(&edit.log, 0, RECORD_SYNC);
	copy_file(&image, &edit.image);
	for (size_t i = 0; i < sync; i++) {
		const struct record_op *op = &edit.log.ops[i];
		const struct memory_file *before = &edit.log.before;
		if (op->kind == RECORD_WRITE && op->off < before->length &&
		    memcmp(image.bytes + op->off, before->bytes + op->off, op->bytes) !=
			    0) {
			memcpy(image.bytes + (op->off & ~(uint64_t)511),
			       before->bytes + (op->off & ~(uint64_t)511), 512);
			break;
		}
	}
	assert_false(undone_edit_same(&image, &edit.image));
	expect_refused(&image, &edit.undo, 0, "different moments");
	memory_file_free(&image);
	undone_edit_free(&edit);
}

static void test_force_is_for_torn_sectors(void **state)
{
	struct undone_edit edit;
	struct qcow2bm_undo_result result;
	(void)state;
	assert_true(undone_edit_run(&edit, &a_case, false));
	for (size_t i = edit.log.count; i-- > 0;) {
		if (edit.log.ops[i].kind == RECORD_WRITE) {
			edit.image.bytes[edit.log.ops[i].off] ^= 0x55;
			break;
		}
	}
	expect_refused(&edit.image, &edit.undo, 0, "--force");
	expect_refused(&edit.image, &edit.undo, QCOW2BM_UNDO_FORCE, "--in-use");
	assert_int_equal(undone_edit_undo(&edit.image, &edit.undo,
					  QCOW2BM_UNDO_FORCE | QCOW2BM_UNDO_IN_USE,
					  &result, NULL, NULL),
			 QCOW2BM_OK);
	assert_true(result.forced && result.was_interrupted && !result.proven);
	undone_edit_mark(&edit.log.before);
	assert_true(undone_edit_same(&edit.image, &edit.log.before));
	undone_edit_free(&edit);
}

/* ---- Damaged undo files ------------------------------------------------------------- */

/* Refused without a change, or undone as if nothing were wrong. */
static void expect_sane(const struct undone_edit *edit, struct memory_file *undo)
{
	struct memory_file image = {0};
	struct qcow2bm_error err = {0};
	copy_file(&image, &edit->image);
	enum qcow2bm_code code = undone_edit_undo(&image, undo, 0, NULL, NULL, &err);
	if (code == QCOW2BM_OK)
		assert_true(undone_edit_same(&image, &edit->log.before));
	else
		assert_true(err.sentence[0] != '\0' &&
			    undone_edit_same(&image, &edit->image));
	memory_file_free(&image);
}

static void test_damaged_files(void **state)
{
	static const struct edit_case small_case = {"small", "disable a"};
	struct undone_edit edit;
	struct memory_file undo = {0};
	(void)state;
	assert_true(undone_edit_run(&edit, &small_case, true));
	copy_file(&undo, &edit.undo);
	for (uint64_t i = 0; i < undo.length; i += i < 2048 ? 1 : 13) {
		undo.bytes[i] ^= (uint8_t)(1u << i % 8);
		expect_sane(&edit, &undo);
		undo.bytes[i] = edit.undo.bytes[i];
	}
	for (uint64_t length = undo.length; length > 0;
	     length -= length > 97 ? 97 : length) {
		memory_file_resize(&undo, length);
		expect_sane(&edit, &undo);
	}
	expect_refused(&edit.image, &undo, 0, "none");
	memory_file_free(&undo);
	undone_edit_free(&edit);
}

/* Where the heads of records are. */
static size_t find_heads(const struct memory_file *undo, uint64_t *heads, size_t room)
{
	struct q2_undo_record record;
	size_t count = 0;
	for (uint64_t at = 512; at + 512 <= undo->length && count < room;) {
		if (!q2_undo_record_decode(&record, undo->bytes + at))
			break;
		heads[count++] = at;
		at += q2_undo_record_bytes(&record);
	}
	return count;
}

/* A value of a head or header is wrong, and its sum right: then there is no telling what the image
 * will be, but no crash, no hang and no end of memory. */
static void test_hostile_files(void **state)
{
	struct undone_edit edit;
	struct memory_file undo = {0}, image = {0};
	struct random random;
	uint64_t heads[256];
	size_t refused = 0, rounds = 6000;
	(void)state;
	random_seed(&random, 7);
	assert_true(undone_edit_run(&edit, &a_case, true));
	size_t count = find_heads(&edit.undo, heads, 256);
	assert_true(count > 8);
	for (size_t i = 0; i < rounds; i++) {
		copy_file(&undo, &edit.undo);
		copy_file(&image, &edit.image);
		size_t idx = (size_t)random_below(&random, count + 1);
		uint64_t at = idx == count ? 0 : heads[idx];
		size_t bytes = idx == count ? 512 : 128;
		size_t field = (size_t)random_below(&random, 18) * 4;
		static const uint64_t words[] = {
			0,          1,     2,        512, 1u << 17,        1u << 31,
			UINT32_MAX, 65535, 1u << 16, 511, (1u << 17) + 512};
		uint32_t word = (uint32_t)words[random_below(&random, 11)];
		if (random_percent(&random, 30))
			word = q2_be32_load(undo.bytes + at + field) ^
			       (1u << random_below(&random, 32));
		q2_be32_store(undo.bytes + at + field, word);
		q2_be32_store(undo.bytes + at + bytes - 4,
			      q2_undo_crc(0, undo.bytes + at, bytes - 4));
		struct qcow2bm_error err = {0};
		unsigned flags = random_percent(&random, 50) ? QCOW2BM_UNDO_FORCE : 0;
		enum qcow2bm_code code =
			undone_edit_undo(&image, &undo, flags, NULL, NULL, &err);
		assert_true(code == QCOW2BM_OK || err.sentence[0] != '\0');
		refused += code != QCOW2BM_OK;
	}
	assert_true(refused > rounds / 2);
	memory_file_free(&undo);
	memory_file_free(&image);
	undone_edit_free(&edit);
}

/* ---- The undo file cannot be written ------------------------------------------------ */

struct faulty {
	const struct edit_case *edit_case;
	struct memory_file image, before, undo;
	struct fault_plan plan;
	enum qcow2bm_code open_code, code;
};

/* The edit, with an undo file on a storage that fails. */
static void run_faulty(struct faulty *faulty)
{
	struct q2_storage *journal;
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	assert_true(edit_case_image(faulty->edit_case->image, &faulty->image));
	copy_file(&faulty->before, &faulty->image);
	struct q2_storage *inner = memory_storage_open(&faulty->image);
	struct q2_storage *undo =
		fault_storage_open(memory_storage_open(&faulty->undo), &faulty->plan);
	faulty->open_code = q2_journal_open_over(&journal, inner, undo, &err);
	if (faulty->open_code != QCOW2BM_OK) {
		assert_non_null(strstr(err.sentence, "undo file"));
		q2_storage_close(inner);
		return;
	}
	faulty->open_code = q2_journal_keep_structures(journal, &err);
	if (faulty->open_code != QCOW2BM_OK) {
		assert_non_null(strstr(err.sentence, "undo file"));
		q2_storage_close(journal);
		return;
	}
	faulty->code =
		edit_case_run(journal, faulty->edit_case->edit, NULL, &result, &err);
	if (faulty->code != QCOW2BM_OK)
		assert_non_null(strstr(err.sentence, "undo file"));
}

static void end_faulty(struct faulty *faulty)
{
	memory_file_free(&faulty->image);
	memory_file_free(&faulty->before);
	memory_file_free(&faulty->undo);
}

/* The old bitmaps or the new ones, and the way back is there. */
static void expect_sound(struct faulty *faulty)
{
	struct strict_image state;
	struct qcow2bm_error err = {0};
	if (!strict_read(&state, faulty->image.bytes, faulty->image.length))
		fail_msg("%s", state.problem);
	strict_free(&state);
	bool was_marked;
	if (!undone_edit_put_back(&faulty->image, &faulty->undo, &faulty->before,
				  &was_marked, &err))
		fail_msg("%s", err.sentence);
}

static void test_full_disk(void **state)
{
	size_t not_begun = 0, failed = 0, done = 0;
	(void)state;
	for (size_t i = 0; i < edit_case_count; i++) {
		for (uint64_t limit = 512; limit < 2u << 20; limit += 256u << 10) {
			struct faulty faulty = {.edit_case = &edit_cases[i],
						.undo = {.limit = limit}};
			run_faulty(&faulty);
			if (faulty.open_code != QCOW2BM_OK) {
				assert_true(
					undone_edit_same(&faulty.image, &faulty.before));
				not_begun++;
			} else {
				failed += faulty.code != QCOW2BM_OK;
				done += faulty.code == QCOW2BM_OK;
				expect_sound(&faulty);
			}
			end_faulty(&faulty);
		}
	}
	assert_true(not_begun > 0);
	assert_true(failed > 0);
	assert_true(done > 0);
}

static void test_failing_undo_file(void **state)
{
	(void)state;
	for (unsigned lasting = 0; lasting < 2; lasting++) {
		for (size_t at = 1; at < 1000; at++) {
			struct faulty faulty = {
				.edit_case = &a_case,
				.plan = {.kinds = FAULT_WRITE | FAULT_SYNC,
					 .at = at,
					 .from_then_on = lasting != 0,
					 .half_first = at % 2 != 0,
					 .sys_errno = 5}};
			run_faulty(&faulty);
			bool was_hit = faulty.plan.failures != 0;
			if (faulty.open_code != QCOW2BM_OK)
				assert_true(
					undone_edit_same(&faulty.image, &faulty.before));
			else
				expect_sound(&faulty);
			end_faulty(&faulty);
			if (!was_hit)
				break;
			assert_int_not_equal(at, 999);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_twice_is_once),
		cmocka_unit_test(test_other_bitmaps_in_the_old_place_are_seen),
		cmocka_unit_test(test_other_writers_are_seen),
		cmocka_unit_test(test_another_image_is_refused),
		cmocka_unit_test(test_mixed_moments_are_refused),
		cmocka_unit_test(test_force_is_for_torn_sectors),
		cmocka_unit_test(test_damaged_files),
		cmocka_unit_test(test_hostile_files),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_failing_undo_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
