/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits of disks and bitmaps, and calls that a program should not make: each is refused with
 * its code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../support/fault_storage.h"
#include "../support/one_edit.h"
#include "image/image.h"
#include "../support/copies.h"

#define MAX_BITMAPS 65535

static uint8_t some_bits[64];

/* One bitmap a, with dirty and clean ranges, and a snapshot. */
static void build_one(struct one_edit *edit, unsigned cluster_bits)
{
	static const struct build_bitmap bitmap = {
		.name = "a", .name_bytes = 1, .granularity_bits = 16, .bits = some_bits};
	const struct build build = {
		.seed = 13,
		.cluster_bits = cluster_bits,
		.refcount_order = 4,
		.virtual_bytes = (uint64_t)sizeof(some_bits) << 16,
		.guest_clusters = 3,
		.snapshots = 1,
		.bitmaps = &bitmap,
		.bitmap_count = 1,
	};
	for (size_t i = 0; i < sizeof(some_bits); i++)
		some_bits[i] = i % 3 == 0;
	build_image(&build, &edit->file);
}

static struct qcow2bm_image *open_file(struct one_edit *edit, struct fault_plan *faults,
				       bool writable)
{
	struct qcow2bm_image *image = NULL;
	struct q2_storage *storage =
		fault_storage_open(memory_storage_open(&edit->file), faults);
	storage->writable = writable;
	assert_int_equal(q2_image_open(&image, storage, &edit->err), QCOW2BM_OK);
	return image;
}

/* ---- Disks ---- */

static enum qcow2bm_code add_b(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_add(edit, "b", 1, 9, true, err);
}

/* Its only bitmap is coarse enough for any disk. */
static void check_disk(uint64_t virtual_bytes, enum qcow2bm_code code, const char *words)
{
	static const struct build_bitmap bitmap = {
		.name = "a", .name_bytes = 1, .granularity_bits = 31};
	const struct build build = {
		.seed = 14,
		.cluster_bits = 16,
		.refcount_order = 4,
		.virtual_bytes = virtual_bytes,
		.bitmaps = &bitmap,
		.bitmap_count = virtual_bytes != 0,
	};
	struct one_edit edit = {0};
	build_image(&build, &edit.file);
	assert_int_equal(one_edit_run(&edit, add_b, 0), code);
	assert_non_null(strstr(edit.err.sentence, words));
	assert_true(one_edit_is_untouched(&edit));
	one_edit_free(&edit);
}

static void sizes_that_have_no_bitmap(void **state)
{
	(void)state;
	check_disk(0, QCOW2BM_EUNSUPPORTED, "a disk of 0 bytes");
	/* 512 MiB of bits for 512 bytes each are 2 TiB of disk. */
	check_disk(((uint64_t)1 << 41) + 512, QCOW2BM_ELIMIT, "use larger granularity");
}

static void the_default_granularity_is_the_cluster_within_limits(void **state)
{
	(void)state;
	static const unsigned expected[][2] = {
		{9, 12}, {12, 12}, {14, 14}, {16, 16}, {18, 16}};
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct one_edit edit = {0};
		struct fault_plan faults = {0};
		build_one(&edit, expected[i][0]);
		struct qcow2bm_image *image = open_file(&edit, &faults, true);
		assert_int_equal(qcow2bm_image_default_granularity_bits(image),
				 expected[i][1]);
		qcow2bm_image_close(image);
		one_edit_free(&edit);
	}
}

/* ---- Number of bitmaps ---- */

/* Behind the end of the file, and counted: the place of a structure of so many bytes. */
static uint64_t append(struct one_edit *edit, uint64_t bytes)
{
	uint64_t cluster_bytes = (uint64_t)1 << one_edit_load(edit, 20, 4);
	uint64_t start = (edit->file.length + cluster_bytes - 1) & ~(cluster_bytes - 1);
	uint64_t end = start + ((bytes + cluster_bytes - 1) & ~(cluster_bytes - 1));
	memory_file_resize(&edit->file, end);
	for (uint64_t at = start; at < end; at += cluster_bytes)
		one_edit_count(edit, at / cluster_bytes, 1);
	return start;
}

/* Made as bytes: 65535 adds would look at each other. */
static void make_full(struct one_edit *edit)
{
	uint64_t at = append(edit, (uint64_t)MAX_BITMAPS * 32), start = at;
	for (unsigned i = 0; i < MAX_BITMAPS; i++, at += 32) {
		char name[9];
		snprintf(name, sizeof(name), "%08x", i);
		one_edit_store(edit, at, 8, 0x1000); /* of the table: no matter */
		one_edit_store(edit, at + 8, 4, 1);
		one_edit_store(edit, at + 16, 4, 0x01100008);
		memcpy(edit->file.bytes + at + 24, name, 8);
	}
	one_edit_store(edit, 120, 4, MAX_BITMAPS);
	one_edit_store(edit, 128, 8, (uint64_t)MAX_BITMAPS * 32);
	one_edit_store(edit, 136, 8, start);
}

static void there_are_at_most_65535_bitmaps(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct fault_plan faults = {0};
	struct qcow2bm_edit *staged;
	build_one(&edit, 12);
	make_full(&edit);
	struct qcow2bm_image *image = open_file(&edit, &faults, true);
	assert_int_equal(qcow2bm_edit_begin(&staged, image, &edit.err), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_add(staged, "b", 1, 16, true, &edit.err),
			 QCOW2BM_ELIMIT);
	assert_non_null(strstr(edit.err.sentence, "has 65535 bitmaps already"));
	/* What goes makes room in the same edit. */
	assert_int_equal(qcow2bm_edit_delete(staged, "0000ffff", 8, NULL),
			 QCOW2BM_ENOTFOUND);
	assert_int_equal(qcow2bm_edit_delete(staged, "0000fffe", 8, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_add(staged, "b", 1, 16, true, NULL), QCOW2BM_OK);
	qcow2bm_edit_end(staged);
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

/* ---- Size of the directory ---- */

/* 65535 entries of 1024 bytes are 1024 bytes less than 64 MiB; 43 names that are 23 bytes longer
 * are 8 more. */
static void the_directory_has_at_most_64_mib(void **state)
{
	(void)state;
	enum { NAME = 1000, RENAMED = 43 };
	char name[NAME + 1], longer[NAME + 24];
	struct one_edit edit = {0};
	struct fault_plan faults = {0};
	struct qcow2bm_edit *staged;
	struct qcow2bm_plan plan;
	build_one(&edit, 16);
	uint64_t at = append(&edit, (uint64_t)MAX_BITMAPS << 10);
	one_edit_store(&edit, 128, 8, (uint64_t)MAX_BITMAPS << 10);
	one_edit_store(&edit, 120, 4, MAX_BITMAPS);
	one_edit_store(&edit, 136, 8, at);
	for (unsigned i = 0; i < MAX_BITMAPS; i++, at += 1024) {
		snprintf(name, sizeof(name), "%0*x", NAME, i);
		/* Only those that are renamed have a table of their own. */
		one_edit_store(&edit, at, 8, i < RENAMED ? append(&edit, 8) : 0x10000);
		one_edit_store(&edit, at + 8, 4, 1);
		one_edit_store(&edit, at + 16, 4, 0x01100000 | NAME);
		memcpy(edit.file.bytes + at + 24, name, NAME);
	}
	struct qcow2bm_image *image = open_file(&edit, &faults, true);
	assert_int_equal(qcow2bm_edit_begin(&staged, image, &edit.err), QCOW2BM_OK);
	for (unsigned i = 0; i < RENAMED; i++) {
		snprintf(name, sizeof(name), "%0*x", NAME, i);
		snprintf(longer, sizeof(longer), "%0*x", NAME + 23, i);
		assert_int_equal(qcow2bm_edit_rename(staged, name, NAME, longer,
						     NAME + 23, &edit.err),
				 QCOW2BM_OK);
	}
	assert_int_equal(plan_copied(staged, 0, &plan, NULL, &edit.err), QCOW2BM_ELIMIT);
	assert_non_null(strstr(edit.err.sentence, "would take 67108872 bytes"));
	qcow2bm_edit_end(staged);
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

/* ---- Calls ---- */

static void an_image_that_is_only_read_is_not_committed(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct fault_plan faults = {.kinds = FAULT_WRITE | FAULT_RESIZE};
	struct qcow2bm_edit *staged;
	build_one(&edit, 12);
	struct qcow2bm_image *image = open_file(&edit, &faults, false);
	assert_int_equal(qcow2bm_edit_begin(&staged, image, &edit.err), QCOW2BM_OK);
	assert_int_equal(add_b(staged, &edit.err), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_commit(staged, NULL, NULL, NULL, &edit.err),
			 QCOW2BM_EINVAL);
	assert_int_equal(faults.calls, 0);
	qcow2bm_edit_end(staged);
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

static void options_and_result_may_be_left_out(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct fault_plan faults = {0};
	struct qcow2bm_edit *staged;
	build_one(&edit, 12);
	struct qcow2bm_image *image = open_file(&edit, &faults, true);
	assert_int_equal(qcow2bm_edit_begin(&staged, image, NULL), QCOW2BM_OK);
	assert_int_equal(add_b(staged, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_commit(staged, NULL, NULL, NULL, NULL), QCOW2BM_OK);
	qcow2bm_edit_end(staged);
	qcow2bm_image_close(image);
	assert_true(inspect_load(&edit.inspect, edit.file.bytes, edit.file.length));
	assert_int_equal(edit.inspect.bitmap_count, 2);
	one_edit_free(&edit);
}

/* ---- Reading ---- */

/* Stops after so many extents; 0: never. */
static int take_extent(void *opaque, const struct qcow2bm_extent *extent)
{
	unsigned *left = opaque;
	(void)extent;
	return *left != 0 && --*left == 0;
}

static void the_receiver_of_extents_can_stop(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct fault_plan faults = {0};
	build_one(&edit, 12);
	struct qcow2bm_image *image = open_file(&edit, &faults, false);
	uint64_t length = (uint64_t)sizeof(some_bits) << 16;
	for (unsigned after = 1; after <= 43; after++) { /* all but the last */
		unsigned left = after;
		assert_int_equal(qcow2bm_bitmap_extents(image, 0, 0, length, 0,
							take_extent, &left, NULL,
							&edit.err),
				 QCOW2BM_ESTOPPED);
		assert_int_equal(left, 0);
	}
	unsigned never = 0;
	assert_int_equal(qcow2bm_bitmap_extents(image, 0, 0, length, 0, take_extent,
						&never, NULL, NULL),
			 QCOW2BM_OK);
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

enum reading { MEASURE, EXTENTS, SNAPSHOT, READINGS };

static enum qcow2bm_code read_one(struct qcow2bm_image *image, enum reading reading,
				  struct qcow2bm_error *err)
{
	struct qcow2bm_measure measure;
	const struct qcow2bm_snapshot *snapshot;
	unsigned never = 0;
	if (reading == MEASURE)
		return measure_copied(image, 0, QCOW2BM_READ_COUNT, &measure, NULL, err);
	if (reading == EXTENTS)
		return qcow2bm_bitmap_extents(image, 0, 0,
					      (uint64_t)sizeof(some_bits) << 16, 0,
					      take_extent, &never, NULL, err);
	return qcow2bm_image_snapshot(image, 0, &snapshot, err);
}

static void every_failed_read_is_told(void **state)
{
	(void)state;
	for (enum reading reading = 0; reading < READINGS; reading++) {
		size_t at = 0;
		struct fault_plan faults;
		do {
			struct one_edit edit = {0};
			faults = (struct fault_plan){.sys_errno = EIO};
			build_one(&edit, 12);
			struct qcow2bm_image *image = open_file(&edit, &faults, false);
			faults.kinds = FAULT_READ;
			faults.at = ++at;
			enum qcow2bm_code code = read_one(image, reading, &edit.err);
			assert_int_equal(code, faults.failures != 0 ? QCOW2BM_ESYSTEM
								    : QCOW2BM_OK);
			if (faults.failures != 0)
				assert_int_equal(edit.err.sys_errno, EIO);
			qcow2bm_image_close(image);
			one_edit_free(&edit);
		} while (faults.failures != 0);
		assert_true(at > 2); /* there were reads to fail */
	}
}

static void a_snapshot_that_is_not_there(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct fault_plan faults = {0};
	const struct qcow2bm_snapshot *snapshot;
	build_one(&edit, 12);
	struct qcow2bm_image *image = open_file(&edit, &faults, false);
	assert_int_equal(qcow2bm_image_snapshot(image, 1, &snapshot, &edit.err),
			 QCOW2BM_EINVAL);
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

/* Those who read all of them go on where they were: in any other order each is the right one, too. */
static void snapshots_in_any_order(void **state)
{
	(void)state;
	static const unsigned order[] = {0, 1, 2, 2, 0, 2, 1, 1, 0};
	struct one_edit edit = {0};
	struct fault_plan faults = {0};
	const struct build build = {.seed = 14,
				    .cluster_bits = 12,
				    .refcount_order = 4,
				    .virtual_bytes = (uint64_t)sizeof(some_bits) << 16,
				    .guest_clusters = 3,
				    .snapshots = 3};
	char ids[3][16], names[3][64];
	build_image(&build, &edit.file);
	for (unsigned i = 0; i < 3; i++) {
		const struct qcow2bm_snapshot *snapshot;
		struct qcow2bm_image *image = open_file(&edit, &faults, false);
		assert_int_equal(qcow2bm_image_snapshot(image, i, &snapshot, &edit.err),
				 QCOW2BM_OK);
		snprintf(ids[i], sizeof(ids[i]), "%s", snapshot->id);
		snprintf(names[i], sizeof(names[i]), "%s", snapshot->name);
		qcow2bm_image_close(image);
	}
	assert_string_not_equal(ids[0], ids[1]);
	assert_string_not_equal(ids[1], ids[2]);
	struct qcow2bm_image *image = open_file(&edit, &faults, false);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		const struct qcow2bm_snapshot *snapshot;
		assert_int_equal(
			qcow2bm_image_snapshot(image, order[i], &snapshot, &edit.err),
			QCOW2BM_OK);
		assert_string_equal(snapshot->id, ids[order[i]]);
		assert_string_equal(snapshot->name, names[order[i]]);
	}
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_that_have_no_bitmap),
		cmocka_unit_test(the_default_granularity_is_the_cluster_within_limits),
		cmocka_unit_test(there_are_at_most_65535_bitmaps),
		cmocka_unit_test(the_directory_has_at_most_64_mib),
		cmocka_unit_test(an_image_that_is_only_read_is_not_committed),
		cmocka_unit_test(options_and_result_may_be_left_out),
		cmocka_unit_test(the_receiver_of_extents_can_stop),
		cmocka_unit_test(every_failed_read_is_told),
		cmocka_unit_test(a_snapshot_that_is_not_there),
		cmocka_unit_test(snapshots_in_any_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
