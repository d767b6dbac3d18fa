/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Judging all bitmaps costs each table one read, for whatever is done with the image then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../support/fault_storage.h"
#include "../support/one_edit.h"
#include "image/image.h"

#define MOST 80
#define BITS (3 * 4096)       /* three clusters of data */
#define DIRTY_BITS (2 * 4096) /* the last of them is all clean */

static uint8_t some_bits[BITS];
static char names[MOST][16];

static void build_many(struct one_edit *edit, unsigned count)
{
	static struct build_bitmap bitmaps[MOST];
	const struct build build = {
		.seed = 41,
		.cluster_bits = 9,
		.refcount_order = 4,
		.virtual_bytes = (uint64_t)BITS << 9,
		.guest_clusters = 5,
		.table_clusters = 2,
		.bitmaps = bitmaps,
		.bitmap_count = count,
	};
	for (size_t i = 0; i < DIRTY_BITS; i++)
		some_bits[i] = i % 5 == 0;
	for (unsigned i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "b%02u", i);
		bitmaps[i] = (struct build_bitmap){
			.name = names[i],
			.name_bytes = 3,
			.granularity_bits = 9,
			.bits = i % 2 == 0 ? some_bits : NULL,
		};
	}
	memset(edit, 0, sizeof(*edit));
	build_image(&build, &edit->file);
}

struct reads {
	size_t judging, listing, planning, committing;
};

static size_t taken(struct fault_plan *counted)
{
	size_t calls = counted->calls;
	counted->calls = 0;
	return calls;
}

/* What is done with an image of so many bitmaps, and the reads that it takes. */
static struct reads count_reads(unsigned count)
{
	struct one_edit one;
	struct fault_plan counted = {.kinds = FAULT_READ};
	struct reads reads;
	struct qcow2bm_image *image;
	struct qcow2bm_edit *edit;
	const struct qcow2bm_measure *measure;
	const struct qcow2bm_plan *plan;
	build_many(&one, count);
	assert_int_equal(q2_image_open(&image,
				       fault_storage_open(memory_storage_open(&one.file),
							  &counted),
				       NULL),
			 QCOW2BM_OK);
	taken(&counted);
	assert_int_equal(qcow2bm_bitmap_judge(image, QCOW2BM_NOT_FOUND, NULL, NULL),
			 QCOW2BM_OK);
	reads.judging = taken(&counted);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(
			qcow2bm_bitmap_measure(image, i, 0, &measure, NULL, NULL),
			QCOW2BM_OK);
	reads.listing = taken(&counted);
	assert_int_equal(qcow2bm_edit_begin(&edit, image, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_rename(edit, "b00", 3, "new", 3, NULL), QCOW2BM_OK);
	taken(&counted); /* the bits of b00 behind the disk's end */
	assert_int_equal(qcow2bm_edit_plan(edit, QCOW2BM_COMMIT_TRUST_REFCOUNTS, &plan,
					   NULL, NULL),
			 QCOW2BM_OK);
	reads.planning = taken(&counted);
	const struct qcow2bm_commit_options options = {
		.size = sizeof(options), .flags = QCOW2BM_COMMIT_TRUST_REFCOUNTS};
	assert_int_equal(qcow2bm_edit_commit(edit, &options, NULL, NULL, NULL),
			 QCOW2BM_OK);
	reads.committing = taken(&counted);
	qcow2bm_edit_end(edit);
	qcow2bm_image_close(image);
	one_edit_free(&one);
	return reads;
}

/* But for refcounts, which more clusters have more of. */
static void each_table_is_read_once(void **state)
{
	(void)state;
	const unsigned few = 2, blocks = 3;
	struct reads less = count_reads(few), more = count_reads(MOST);
	assert_in_range(more.judging - less.judging, MOST - few, MOST - few + blocks);
	assert_int_equal(more.listing, 0);
	assert_in_range(more.planning, 1, less.planning + blocks);
	assert_in_range(more.committing, 1, less.committing + blocks);
}

/* What was read of the old state is not taken for the new one. */
static void an_edit_ends_what_was_read(void **state)
{
	(void)state;
	struct one_edit one;
	struct qcow2bm_image *image;
	struct qcow2bm_edit *edit;
	const struct qcow2bm_measure *before, *after;
	build_many(&one, 3);
	assert_int_equal(q2_image_open(&image, memory_storage_open(&one.file), NULL),
			 QCOW2BM_OK);
	assert_int_equal(
		qcow2bm_bitmap_measure(image, 1, QCOW2BM_READ_COUNT, &before, NULL, NULL),
		QCOW2BM_OK);
	assert_int_equal(before->dirty_bytes, 0);
	assert_int_equal(before->stored_bytes, 1 << 9);
	assert_int_equal(
		qcow2bm_bitmap_measure(image, 0, QCOW2BM_READ_COUNT, &before, NULL, NULL),
		QCOW2BM_OK);
	assert_int_equal(before->dirty_bytes, (DIRTY_BITS + 4) / 5 << 9);
	assert_int_equal(before->stored_bytes, 3 << 9);
	assert_int_equal(qcow2bm_edit_begin(&edit, image, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_merge(edit, "b01", 3, image, "b00", 3, NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_commit(edit, NULL, NULL, NULL, NULL), QCOW2BM_OK);
	qcow2bm_edit_end(edit);
	assert_int_equal(
		qcow2bm_bitmap_measure(image, 1, QCOW2BM_READ_COUNT, &after, NULL, NULL),
		QCOW2BM_OK);
	assert_int_equal(after->dirty_bytes, (DIRTY_BITS + 4) / 5 << 9);
	qcow2bm_image_close(image);
	one_edit_free(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_table_is_read_once),
		cmocka_unit_test(an_edit_ends_what_was_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
