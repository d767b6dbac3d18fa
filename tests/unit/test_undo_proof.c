/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an undo file keeps of bitmaps, and what an undo proves before they are trusted again. */
#include "../support/undone_edit.h"

#include "base/endian.h"
#include "clusters/refcounts.h"
#include "edit/change_refcounts.h"
#include "edit/journal.h"
#include "image/image.h"
#include "undo/journal.h"
#include "undo/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool has_all(const struct q2_undo *undo, uint64_t off, uint64_t bytes)
{
	uint64_t first = off / Q2_UNDO_SECTOR_BYTES;
	uint64_t end = (off + bytes + Q2_UNDO_SECTOR_BYTES - 1) / Q2_UNDO_SECTOR_BYTES;
	bool is_in;
	return q2_spans_part(&undo->kept, first, end, &is_in) == end && is_in;
}

/* Before anything is written, whether the edit frees it or not. */
static void the_directory_and_all_tables_are_kept(void **state)
{
	(void)state;
	struct memory_file file = {0}, undo_file = {0};
	struct q2_storage *journal, *below, *storage;
	struct qcow2bm_image *image;
	struct q2_undo undo;
	assert_true(edit_case_image("small", &file));
	below = memory_storage_open(&file);
	assert_int_equal(q2_journal_open_over(&journal, below,
					      memory_storage_open(&undo_file), NULL),
			 QCOW2BM_OK);
	assert_int_equal(q2_journal_keep_structures(journal, NULL), QCOW2BM_OK);
	q2_storage_close(journal);
	assert_int_equal(q2_image_open(&image, memory_storage_open(&file), NULL),
			 QCOW2BM_OK);
	storage = memory_storage_open(&undo_file);
	assert_int_equal(q2_undo_load(&undo, storage, NULL), QCOW2BM_OK);
	assert_true(has_all(&undo, image->directory.off, image->directory.size));
	assert_true(image->directory.count > 1);
	for (size_t i = 0; i < image->directory.count; i++) {
		const struct q2_directory_entry *entry =
			&image->directory.bitmaps[i].entry;
		assert_true(has_all(&undo, entry->table_off, entry->table_entries * 8u));
	}
	q2_undo_free(&undo);
	q2_storage_close(storage);
	qcow2bm_image_close(image);
	memory_file_free(&file);
	memory_file_free(&undo_file);
}

static void expect_refused(struct memory_file *image, struct memory_file *undo,
			   const char *words)
{
	struct memory_file before = {0};
	struct qcow2bm_error err = {0};
	memory_file_fill(&before, image->bytes, image->length);
	assert_int_equal(undone_edit_undo(image, undo, 0, NULL, NULL, &err),
			 QCOW2BM_EINVAL);
	if (strstr(err.sentence, words) == NULL)
		fail_msg("'%s' is not in: %s", words, err.sentence);
	assert_true(undone_edit_same(image, &before));
	memory_file_free(&before);
}

/* Times that tell nothing of it: a clock that was set back, a disk that was written to from
 * elsewhere. */
static void other_bytes_in_what_was_freed(void **state)
{
	(void)state;
	static const struct edit_case edit_case = {"small", "delete a"};
	struct undone_edit edit;
	struct q2_undo undo;
	assert_true(undone_edit_run(&edit, &edit_case, true));
	struct q2_storage *storage = memory_storage_open(&edit.undo);
	assert_int_equal(q2_undo_load(&undo, storage, NULL), QCOW2BM_OK);
	for (size_t i = 0; i < edit.log.count; i++)
		if (edit.log.ops[i].kind == RECORD_DISCARD)
			fail_msg("what is kept is punched");
	assert_true(undo.kept.count > 0);
	edit.image.bytes[undo.kept.items[0].first * Q2_UNDO_SECTOR_BYTES + 100] ^= 1;
	expect_refused(&edit.image, &edit.undo, "hold other bytes now");
	q2_undo_free(&undo);
	q2_storage_close(storage);
	undone_edit_free(&edit);
}

/* ---- The room of the old bitmaps ----------------------------------------------------- */

enum happened {
	GUEST_HAS_TABLE,
	GUEST_HAS_DIRECTORY,
	L2_TABLE_IS_THERE,
	OTHER_TABLE_CHANGED,
};

/* Something else has written, and nothing that the edit wrote to tells of it. */
static void happen(struct undone_edit *edit, enum happened happened)
{
	struct memory_file *before = &edit->log.before;
	struct qcow2bm_image *image;
	assert_int_equal(q2_image_open(&image, memory_storage_open(before), NULL),
			 QCOW2BM_OK);
	size_t cluster_bytes = (size_t)1 << image->header.cluster_bits;
	uint64_t place = happened == GUEST_HAS_DIRECTORY
				 ? image->directory.off
				 : image->directory.bitmaps[0].entry.table_off;
	uint8_t *l1 = edit->image.bytes + image->header.l1_table_off,
		*bytes = edit->image.bytes;
	while (q2_be64_load(l1) == 0)
		l1 += 8;
	if (happened == OTHER_TABLE_CHANGED) {
		bytes[image->directory.bitmaps[1].entry.table_off + 7] ^= 1;
	} else if (happened == L2_TABLE_IS_THERE) {
		memset(bytes + place, 0, cluster_bytes);
		q2_be64_store(l1, place | (uint64_t)1 << 63);
	} else {
		q2_be64_store(bytes + (q2_be64_load(l1) & 0x00fffffffffffe00u),
			      place | (uint64_t)1 << 63);
	}
	edit->image.writes++;
	qcow2bm_image_close(image);
}

static void what_was_the_old_bitmaps_is_somebodys(void **state)
{
	(void)state;
	static const struct edit_case edit_case = {"small", "delete a"};
	static const char *const words[] = {
		[GUEST_HAS_TABLE] = "holds data of the guest's disk now",
		[GUEST_HAS_DIRECTORY] = "holds data of the guest's disk now",
		[L2_TABLE_IS_THERE] = "holds a table of the image now",
		[OTHER_TABLE_CHANGED] = "is in use, with other bytes in it",
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct undone_edit edit;
		struct memory_file was = {0};
		struct qcow2bm_error err = {0};
		assert_true(undone_edit_run(&edit, &edit_case, true));
		happen(&edit, (enum happened)i);
		memory_file_fill(&was, edit.image.bytes, edit.image.length);
		was.writes = edit.image.writes;
		assert_int_equal(undone_edit_undo(&edit.image, &edit.undo,
						  QCOW2BM_UNDO_IN_USE, NULL, NULL, &err),
				 QCOW2BM_EINVAL);
		if (strstr(err.sentence, words[i]) == NULL)
			fail_msg("'%s' is not in: %s", words[i], err.sentence);
		assert_true(undone_edit_same(&edit.image, &was));
		memory_file_free(&was);
		undone_edit_free(&edit);
	}
}

/* ---- Order, and the length ----------------------------------------------------------- */

static void every_change_waits_for_its_record(void **state)
{
	(void)state;
	static const struct edit_case edit_case = {"small", "delete a"};
	struct undone_edit edit;
	assert_true(undone_edit_run(&edit, &edit_case, true));
	for (size_t i = 0; i < edit.log.count; i++) {
		if (edit.log.ops[i].kind != RECORD_WRITE)
			continue;
		assert_true(edit.undo_counts[i] > 0);
		assert_int_equal(edit.undo_log.ops[edit.undo_counts[i] - 1].kind,
				 RECORD_SYNC);
	}
	undone_edit_free(&edit);
}

/* An undo that was killed before the file was cut off. */
static void all_but_the_length_is_back(void **state)
{
	(void)state;
	size_t tried = 0;
	for (size_t i = 0; i < edit_case_count && tried < 3; i++) {
		struct undone_edit edit;
		struct memory_file image = {0};
		struct qcow2bm_undo_result result;
		if (strncmp(edit_cases[i].image, "device", 6) == 0)
			continue;
		assert_true(undone_edit_run(&edit, &edit_cases[i], true));
		const struct memory_file *before = &edit.log.before;
		if (edit.code == QCOW2BM_OK && edit.image.length > before->length) {
			memory_file_fill(&image, before->bytes, before->length);
			image.writes = edit.image.writes;
			memory_file_resize(&image, edit.image.length);
			assert_int_equal(undone_edit_undo(&image, &edit.undo,
							  QCOW2BM_UNDO_IN_USE, &result,
							  NULL, NULL),
					 QCOW2BM_OK);
			assert_false(result.nothing);
			assert_int_equal(image.length, before->length);
			tried++;
		}
		memory_file_free(&image);
		undone_edit_free(&edit);
	}
	assert_int_equal(tried, 3);
}

/* Of more than can be kept an undo file has the sums. */
static void sums_tell_of_other_bytes(void **state)
{
	(void)state;
	struct memory_file file = {0}, undo = {0};
	struct qcow2bm_undo_result result;
	struct qcow2bm_error err = {0};
	assert_true(edit_case_image("small", &file));
	struct q2_undo_writer *writer = calloc(1, sizeof(*writer));
	assert_non_null(writer);
	writer->file = memory_storage_open(&undo);
	writer->id = 7;
	struct q2_undo_header header = {
		.length_bytes = file.length,
		.start_bytes = Q2_UNDO_MAX_START,
		.start_crc = q2_undo_crc(0, file.bytes, Q2_UNDO_MAX_START)};
	struct q2_undo_record kept = {.kind = Q2_UNDO_KEPT,
				      .off = 4096,
				      .bytes = 4096,
				      .length_bytes = file.length};
	struct q2_undo_record end = {.kind = Q2_UNDO_END, .length_bytes = file.length};
	assert_int_equal(q2_undo_write_header(writer, &header, NULL), QCOW2BM_OK);
	q2_undo_write_sums(writer, file.bytes + 4096, 8);
	assert_int_equal(q2_undo_write_append(writer, &kept, NULL), QCOW2BM_OK);
	assert_int_equal(q2_undo_write_append(writer, &end, NULL), QCOW2BM_OK);
	q2_storage_close(writer->file);
	free(writer);
	if (undone_edit_undo(&file, &undo, 0, &result, NULL, &err) != QCOW2BM_OK)
		fail_msg("%s", err.sentence);
	assert_true(result.nothing);
	file.bytes[4096 + 7 * 512] ^= 1;
	expect_refused(&file, &undo, "has only its sum");
	memory_file_free(&file);
	memory_file_free(&undo);
}

static bool is_written(const struct record_log *log, uint64_t off)
{
	for (size_t i = 0; i < log->count; i++)
		if (log->ops[i].kind == RECORD_WRITE && off >= log->ops[i].off &&
		    off - log->ops[i].off < log->ops[i].bytes)
			return true;
	return false;
}

/* What an undo that was killed put back may be in memory alone. */
static void the_same_undo_again_writes_all_of_it(void **state)
{
	(void)state;
	static const struct edit_case edit_case = {"small", "merge b a, delete b"};
	struct undone_edit edit;
	struct record_log again = {.count = 0};
	size_t seen = 0;
	assert_true(undone_edit_run(&edit, &edit_case, true));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(undone_edit_undo(&edit.image, &edit.undo, 0, NULL,
						  i == 0 ? NULL : &again, NULL),
				 QCOW2BM_OK);
	for (size_t i = 0; i < edit.log.count; i++) {
		const struct record_op *op = &edit.log.ops[i];
		if (op->kind != RECORD_WRITE || op->off >= edit.log.before.length)
			continue;
		assert_true(is_written(&again, op->off));
		seen++;
	}
	assert_true(seen > 3);
	record_log_free(&again);
	undone_edit_free(&edit);
}

static void end_and_close(struct q2_storage *storage)
{
	struct q2_storage *inner;
	assert_int_equal(q2_journal_end(storage, &inner, NULL), QCOW2BM_OK);
	q2_storage_close(inner);
}

/* A full device: the directory changes where it stands. */
static void a_directory_that_changed_in_its_place(void **state)
{
	(void)state;
	static const char *const doubts[] = {"interrupted",
					     "does not tell when the edit ended"};
	for (size_t ends = 0; ends < 2; ends++) {
		struct memory_file file = {0}, before = {0}, undo = {0};
		struct q2_storage *journal;
		struct qcow2bm_result result;
		struct qcow2bm_undo_result undone;
		assert_true(edit_case_image("device-full", &file));
		memory_file_fill(&before, file.bytes, file.length);
		assert_int_equal(
			q2_journal_open_over(&journal,
					     edit_case_storage("device-full", &file),
					     memory_storage_open(&undo), NULL),
			QCOW2BM_OK);
		assert_int_equal(q2_journal_keep_structures(journal, NULL), QCOW2BM_OK);
		struct q2_storage_ops ops = *journal->ops;
		if (ends == 1)
			ops.close = end_and_close;
		journal->ops = &ops;
		assert_int_equal(edit_case_run(journal, "disable a", NULL, &result, NULL),
				 QCOW2BM_OK);
		assert_true(undone_edit_same_directory(&file, &before));
		expect_refused(&file, &undo, doubts[ends]);
		assert_int_equal(undone_edit_undo(&file, &undo, QCOW2BM_UNDO_IN_USE,
						  &undone, NULL, NULL),
				 QCOW2BM_OK);
		assert_false(undone.proven);
		undone_edit_mark(&before);
		assert_true(undone_edit_same(&file, &before));
		memory_file_free(&file);
		memory_file_free(&before);
		memory_file_free(&undo);
	}
}

/* The first data of the second bitmap is free by its refcount. */
static void free_data(struct memory_file *file)
{
	struct qcow2bm_image *image;
	struct q2_refcounts refcounts;
	struct q2_clusters one = {0};
	assert_int_equal(q2_image_open(&image, memory_storage_open(file), NULL),
			 QCOW2BM_OK);
	const uint8_t *entry = file->bytes + image->directory.bitmaps[1].entry.table_off;
	while (q2_be64_load(entry) < 2)
		entry += 8;
	assert_int_equal(
		q2_clusters_add(&one, q2_be64_load(entry) >> image->header.cluster_bits,
				1, NULL),
		QCOW2BM_OK);
	assert_int_equal(q2_clusters_sort(&one, NULL, NULL), QCOW2BM_OK);
	assert_int_equal(q2_refcounts_open(&refcounts, image, NULL), QCOW2BM_OK);
	assert_int_equal(q2_change_refcounts(&refcounts, &one, Q2_CHANGE_TO_ZERO, NULL),
			 QCOW2BM_OK);
	q2_refcounts_close(&refcounts);
	q2_clusters_free(&one);
	qcow2bm_image_close(image);
}

/* What was free all the time anybody may have used. */
static void data_that_nobody_counts(void **state)
{
	(void)state;
	struct memory_file file = {0}, undo = {0};
	struct q2_storage *journal;
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	assert_true(edit_case_image("small", &file));
	free_data(&file);
	assert_int_equal(q2_journal_open_over(&journal, memory_storage_open(&file),
					      memory_storage_open(&undo), NULL),
			 QCOW2BM_OK);
	assert_int_equal(q2_journal_keep_structures(journal, NULL), QCOW2BM_OK);
	struct q2_storage_ops ops = *journal->ops;
	ops.close = end_and_close;
	journal->ops = &ops;
	if (edit_case_run(journal, "delete a", NULL, &result, &err) != QCOW2BM_OK)
		fail_msg("%s", err.sentence);
	file.writes++;
	assert_int_equal(
		undone_edit_undo(&file, &undo, QCOW2BM_UNDO_IN_USE, NULL, NULL, &err),
		QCOW2BM_EINVAL);
	assert_non_null(strstr(err.sentence, "was freed since"));
	memory_file_free(&file);
	memory_file_free(&undo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_directory_and_all_tables_are_kept),
		cmocka_unit_test(other_bytes_in_what_was_freed),
		cmocka_unit_test(what_was_the_old_bitmaps_is_somebodys),
		cmocka_unit_test(every_change_waits_for_its_record),
		cmocka_unit_test(sums_tell_of_other_bytes),
		cmocka_unit_test(the_same_undo_again_writes_all_of_it),
		cmocka_unit_test(all_but_the_length_is_back),
		cmocka_unit_test(a_directory_that_changed_in_its_place),
		cmocka_unit_test(data_that_nobody_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
