/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operations of an edit, and of the edits of two images, act in the order in which they are staged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/build_image.h"
#include "image/image.h"

#define DISK_BYTES (64u << 16)

/* 4 KiB is dirty at 0 in "a", at 128 KiB in "b". */
static uint8_t bits[2][DISK_BYTES >> 12];

static const struct build_bitmap bitmaps[] = {
	{.name = "a", .name_bytes = 1, .granularity_bits = 12, .bits = bits[0]},
	{.name = "b", .name_bytes = 1, .granularity_bits = 12, .bits = bits[1]},
	{.name = "wide", .name_bytes = 4, .granularity_bits = 16},
};

static struct memory_file files[2];
static struct qcow2bm_image *images[2];
static struct qcow2bm_edit *edits[2];

static int begin(void **state)
{
	(void)state;
	const struct build build = {
		.seed = 3,
		.cluster_bits = 9,
		.refcount_order = 4,
		.virtual_bytes = DISK_BYTES,
		.guest_clusters = 5,
		.bitmaps = bitmaps,
		.bitmap_count = 3,
	};
	bits[0][0] = bits[1][32] = 1;
	for (size_t i = 0; i < 2; i++) {
		build_image(&build, &files[i]);
		assert_int_equal(
			q2_image_open(&images[i], memory_storage_open(&files[i]), NULL),
			QCOW2BM_OK);
		assert_int_equal(qcow2bm_edit_begin(&edits[i], images[i], NULL),
				 QCOW2BM_OK);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		qcow2bm_edit_end(edits[i]);
		qcow2bm_image_close(images[i]);
		memory_file_free(&files[i]);
	}
	return 0;
}

#define MUST(call) assert_int_equal(call, QCOW2BM_OK)

static void add(size_t i, const char *name, unsigned granularity_bits)
{
	MUST(qcow2bm_edit_add(edits[i], name, strlen(name), granularity_bits, false,
			      NULL));
}

static void merge(size_t i, const char *name, size_t from, const char *source)
{
	MUST(qcow2bm_edit_merge_staged(edits[i], name, strlen(name), edits[from], source,
				       strlen(source), NULL));
}

static void clear(size_t i, const char *name)
{
	MUST(qcow2bm_edit_clear(edits[i], name, strlen(name), NULL));
}

static void drop(size_t i, const char *name)
{
	MUST(qcow2bm_edit_delete(edits[i], name, strlen(name), NULL));
}

static void commit(void)
{
	for (size_t i = 0; i < 2; i++)
		MUST(qcow2bm_edit_prepare(edits[i], NULL, NULL, NULL, NULL));
	for (size_t i = 0; i < 2; i++)
		MUST(qcow2bm_edit_switch(edits[i], NULL, NULL));
	for (size_t i = 0; i < 2; i++)
		MUST(qcow2bm_edit_finish(edits[i], NULL, NULL));
}

static int note_extent(void *opaque, const struct qcow2bm_extent *extent)
{
	uint64_t *dirty_chunks = opaque;
	for (uint64_t at = 0; extent->dirty && at < extent->length; at += 1u << 12)
		*dirty_chunks |= (uint64_t)1 << ((extent->start + at) >> 12);
	return 0;
}

/* Which of the first 64 pieces of 4 KiB are dirty. */
static uint64_t dirty(size_t i, const char *name)
{
	uint64_t chunks = 0;
	size_t idx = qcow2bm_bitmap_find(images[i], name, strlen(name));
	MUST(qcow2bm_bitmap_extents(images[i], idx, 0, 64u << 12, 0, note_extent, &chunks,
				    NULL, NULL));
	return chunks;
}

#define A 1ull
#define B (1ull << 32)

static void each_operation_sees_those_before_it(void **state)
{
	(void)state;
	add(0, "c", 12);
	merge(0, "c", 0, "a");
	clear(0, "a");
	merge(0, "a", 0, "b");
	merge(0, "b", 0, "c");
	drop(0, "c");
	commit();
	assert_int_equal(dirty(0, "a"), B);
	assert_int_equal(dirty(0, "b"), A | B);
	assert_int_equal(qcow2bm_bitmap_find(images[0], "c", 1), QCOW2BM_NOT_FOUND);
}

static void another_image_is_seen_as_it_is_staged_there(void **state)
{
	(void)state;
	add(1, "sum", 12);
	merge(1, "sum", 1, "a");
	clear(1, "a");
	merge(0, "b", 1, "sum");
	drop(1, "sum");
	merge(0, "a", 1, "a");
	clear(1, "b");
	commit();
	assert_int_equal(dirty(0, "a"), A);
	assert_int_equal(dirty(0, "b"), A | B);
	assert_int_equal(dirty(1, "a"), 0);
	assert_int_equal(dirty(1, "b"), 0);
}

/* Each of the bits becomes 16, as QEMU makes them. */
static void bits_are_as_coarse_as_what_they_went_through(void **state)
{
	(void)state;
	add(0, "direct", 12);
	merge(0, "direct", 0, "a");
	merge(0, "wide", 0, "a");
	add(0, "fine", 9);
	merge(0, "fine", 0, "wide");
	add(0, "last", 12);
	merge(0, "last", 0, "fine");
	add(0, "both", 12);
	merge(0, "both", 0, "a");
	merge(0, "both", 0, "wide");
	merge(1, "b", 0, "wide");
	merge(0, "a", 0, "wide");
	commit();
	assert_int_equal(dirty(0, "direct"), A);
	assert_int_equal(dirty(0, "wide"), 0xffff);
	assert_int_equal(dirty(0, "fine"), 0xffff);
	assert_int_equal(dirty(0, "last"), 0xffff);
	assert_int_equal(dirty(0, "both"), 0xffff);
	assert_int_equal(dirty(0, "a"), 0xffff);
	assert_int_equal(dirty(1, "b"), 0xffff | B);
}

static void what_another_edit_has_from_an_old_state_is_refused(void **state)
{
	(void)state;
	struct qcow2bm_error err = {0};
	merge(0, "a", 1, "b");
	MUST(qcow2bm_edit_delete(edits[1], "wide", 4, NULL));
	MUST(qcow2bm_edit_commit(edits[1], NULL, NULL, NULL, NULL));
	add(1, "d", 12);
	assert_int_equal(
		qcow2bm_edit_merge_staged(edits[1], "d", 1, edits[0], "a", 1, &err),
		QCOW2BM_EINVAL);
	assert_non_null(strstr(err.sentence, "source"));
	err.code = QCOW2BM_OK;
	assert_int_equal(
		qcow2bm_edit_merge_staged(edits[1], "d", 1, edits[0], "z", 1, &err),
		QCOW2BM_ENOTFOUND);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(each_operation_sees_those_before_it),
		TEST(another_image_is_seen_as_it_is_staged_there),
		TEST(bits_are_as_coarse_as_what_they_went_through),
		TEST(what_another_edit_has_from_an_old_state_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
