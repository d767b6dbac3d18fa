/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Broken images in which one cluster is two things: what a commit would write over, hand out
 * or grow over is refused in words that say what else it is, and nothing is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/one_edit.h"

#define CLUSTER_BITS 9
#define CLUSTER_BYTES (1u << CLUSTER_BITS)
#define BITS (3 * 4096)
#define COPIED ((uint64_t)1 << 63)
#define COMPRESSED ((uint64_t)1 << 62)
#define TABLE_OFF 48u

/* a and b have three clusters of data each; no cluster of the file is free but those at
 * its end. */
static void build_two(struct one_edit *edit, unsigned free_at_end)
{
	static uint8_t bits[BITS];
	static const struct build_bitmap bitmaps[] = {
		{.name = "a", .name_bytes = 1, .granularity_bits = 9, .bits = bits},
		{.name = "b", .name_bytes = 1, .granularity_bits = 9, .bits = bits},
	};
	const struct build build = {
		.seed = 21,
		.cluster_bits = CLUSTER_BITS,
		.refcount_order = 4,
		.virtual_bytes = (uint64_t)BITS << 9,
		.guest_clusters = 20,
		.free_at_end = free_at_end,
		.bitmaps = bitmaps,
		.bitmap_count = 2,
	};
	for (uint64_t i = 0; i < BITS; i++)
		bits[i] = i % 3 == 0;
	memset(edit, 0, sizeof(*edit));
	build_image(&build, &edit->file);
	/* The builder keeps some for refcount blocks. */
	uint64_t clusters = edit->file.length / CLUSTER_BYTES - free_at_end;
	for (uint64_t c = 0; c < clusters; c++)
		if (one_edit_refcount(edit, c) == 0)
			one_edit_count(edit, c, 1);
}

static uint64_t table_off(const struct one_edit *edit)
{
	return one_edit_load(edit, TABLE_OFF, 8);
}

static uint64_t block_off(const struct one_edit *edit)
{
	return one_edit_load(edit, table_off(edit), 8);
}

static void set_entry(struct one_edit *edit, size_t bitmap, uint64_t idx, uint64_t value)
{
	one_edit_store(edit, one_edit_entry_off(edit, bitmap, idx), 8, value);
}

/* The guest gets a cluster more. */
static void map_guest(struct one_edit *edit, uint64_t l2_entry)
{
	uint64_t l1 = one_edit_load(edit, 40, 8);
	while (one_edit_load(edit, l1, 8) == 0)
		l1 += 8;
	uint64_t slot = one_edit_load(edit, l1, 8) & ~COPIED;
	while (one_edit_load(edit, slot, 8) != 0)
		slot += 8;
	one_edit_store(edit, slot, 8, l2_entry);
}

static enum qcow2bm_code clear_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_clear(edit, "a", 1, err);
}

static enum qcow2bm_code delete_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_delete(edit, "a", 1, err);
}

static enum qcow2bm_code merge_b_into_a(struct qcow2bm_edit *edit,
					struct qcow2bm_error *err)
{
	return qcow2bm_edit_merge(edit, "a", 1, NULL, "b", 1, err);
}

static void check_refused(struct one_edit *edit, stage_fn *stage, const char *words)
{
	assert_int_equal(one_edit_run(edit, stage, 0), QCOW2BM_EIMAGE);
	assert_non_null(strstr(edit->err.sentence, words));
	assert_true(one_edit_is_untouched(edit));
	one_edit_free(edit);
}

/* ---- Written in place: the header, the refcount table and its blocks ---- */

static void the_guest_has_what_is_written_in_place(void **state)
{
	(void)state;
	struct one_edit edit;
	build_two(&edit, 4);
	map_guest(&edit, table_off(&edit) | COPIED);
	check_refused(&edit, clear_a, "by the guest or a bitmap");
	build_two(&edit, 4);
	map_guest(&edit, block_off(&edit) | COPIED);
	check_refused(&edit, clear_a, "by the guest or a bitmap");
	build_two(&edit, 4);
	map_guest(&edit, COMPRESSED | 256); /* in the header's cluster */
	check_refused(&edit, clear_a, "the cluster at 0 would be written");
}

static void a_bitmap_has_what_is_written_in_place(void **state)
{
	(void)state;
	struct one_edit edit;
	build_two(&edit, 4);
	set_entry(&edit, 1, 1, block_off(&edit));
	check_refused(&edit, clear_a, "by the guest or a bitmap");
	build_two(&edit, 4);
	set_entry(&edit, 0, 1, block_off(&edit));
	check_refused(&edit, merge_b_into_a, "belong to the image's own structures");
}

static void another_structure_is_what_is_written_in_place(void **state)
{
	(void)state;
	struct one_edit edit;
	build_two(&edit, 4);
	one_edit_store(&edit, table_off(&edit) + 24, 8, block_off(&edit));
	check_refused(&edit, clear_a, "by another structure");
	build_two(&edit, 4);
	one_edit_store(&edit, table_off(&edit) + 24, 8,
		       one_edit_find(&edit, INSPECT_DIRECTORY) * CLUSTER_BYTES);
	check_refused(&edit, clear_a, "by the bitmap directory");
}

/* It is only forgotten: the block stays what it is. */
static void a_bitmap_that_names_metadata_can_be_deleted(void **state)
{
	(void)state;
	static const enum inspect_kind kinds[] = {INSPECT_REFCOUNTS, INSPECT_MAPPING};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct one_edit edit;
		build_two(&edit, 4);
		uint64_t cluster = one_edit_find(&edit, kinds[i]);
		set_entry(&edit, 0, 1, cluster * CLUSTER_BYTES);
		assert_int_equal(one_edit_run(&edit, delete_a, 0), QCOW2BM_OK);
		assert_true(edit.is_sound);
		assert_int_equal(one_edit_refcount(&edit, cluster), 1);
		assert_false(one_edit_is_written(&edit, cluster));
		assert_int_equal(edit.result.leaked_clusters, 1);
		one_edit_free(&edit);
	}
}

/* ---- Handed out: clusters in use whose refcount is 0 ---- */

static void a_cluster_in_use_that_is_counted_as_free_is_not_taken(void **state)
{
	(void)state;
	static const struct {
		enum inspect_kind kind;
		const char *words;
	} cases[] = {
		{INSPECT_GUEST, "in use by the guest or a bitmap"},
		{INSPECT_MAPPING, "in use by the image's metadata"},
		{INSPECT_REFCOUNTS, "in use by the image's metadata"},
		{INSPECT_DIRECTORY, "the bitmap directory is counted as free"},
		{INSPECT_TABLE, "clusters are counted as free"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct one_edit edit;
		build_two(&edit, 4);
		/* The first table is a's. */
		one_edit_count(&edit, one_edit_find(&edit, cases[i].kind), 0);
		check_refused(&edit, clear_a, cases[i].words);
	}
}

static void what_goes_away_and_is_counted_as_free_is_not_taken(void **state)
{
	(void)state;
	struct one_edit edit;
	build_two(&edit, 4);
	uint64_t data = one_edit_load(&edit, one_edit_entry_off(&edit, 0, 2), 8);
	one_edit_count(&edit, data / CLUSTER_BYTES, 0);
	check_refused(&edit, delete_a, "what is left would look sound");
	build_two(&edit, 4);
	uint64_t table = one_edit_entry_off(&edit, 0, 0);
	one_edit_count(&edit, table / CLUSTER_BYTES, 0);
	check_refused(&edit, delete_a, "what is left would look sound");
}

static void what_is_kept_and_counted_as_free_is_not_taken(void **state)
{
	(void)state;
	struct one_edit edit;
	build_two(&edit, 4);
	uint64_t data = one_edit_load(&edit, one_edit_entry_off(&edit, 1, 2), 8);
	one_edit_count(&edit, data / CLUSTER_BYTES, 0);
	check_refused(&edit, delete_a, "in use by the guest or a bitmap");
	build_two(&edit, 4);
	uint64_t table = one_edit_entry_off(&edit, 1, 0);
	one_edit_count(&edit, table / CLUSTER_BYTES, 0);
	check_refused(&edit, delete_a, "in use by the guest or a bitmap");
}

/* What a program left behind that wrote refcounts and died before it wrote clusters. */
static void clusters_counted_behind_the_end_are_not_taken(void **state)
{
	(void)state;
	struct one_edit edit;
	build_two(&edit, 0);
	uint64_t end = edit.file.length / CLUSTER_BYTES;
	one_edit_count(&edit, end, 1);
	one_edit_count(&edit, end + 2, 1);
	assert_int_equal(one_edit_run(&edit, clear_a, 0), QCOW2BM_OK);
	assert_true(edit.is_sound);
	assert_true(inspect_check_refcounts(&edit.inspect, true, NULL));
	assert_false(one_edit_is_written(&edit, end));
	assert_false(one_edit_is_written(&edit, end + 2));
	one_edit_free(&edit);
}

/* ---- Grown over: files that were cut short ---- */

/* The first cluster of b's data is the last of the file, and half of it is lost. */
static void cut_b(struct one_edit *edit, unsigned free_at_end)
{
	build_two(edit, free_at_end);
	uint64_t end = edit->file.length;
	set_entry(edit, 1, 0, end);
	memory_file_resize(&edit->file, end + CLUSTER_BYTES / 2);
	one_edit_count(edit, end / CLUSTER_BYTES, 1);
}

static void a_file_that_was_cut_does_not_grow_over_what_is_lost(void **state)
{
	(void)state;
	struct one_edit edit;
	cut_b(&edit, 0);
	check_refused(&edit, delete_a, "past the end of the file");
	/* Where there is room inside, what was cut stays cut, and told. */
	cut_b(&edit, 2);
	assert_int_equal(one_edit_run(&edit, clear_a, 0), QCOW2BM_OK);
	assert_int_equal(edit.file.length, edit.before.length);
	one_edit_free(&edit);
}

/* What the part of it that cannot be read occupies is unknown: nothing but the directory
 * is released. */
static void beside_a_corrupt_bitmap_nothing_is_released(void **state)
{
	(void)state;
	struct one_edit edit;
	build_two(&edit, 4);
	uint64_t table = one_edit_entry_off(&edit, 0, 0) / CLUSTER_BYTES;
	uint64_t data = one_edit_load(&edit, one_edit_entry_off(&edit, 0, 0), 8);
	set_entry(&edit, 1, 1, (uint64_t)1 << 40);
	assert_int_equal(one_edit_run(&edit, delete_a, 0), QCOW2BM_OK);
	assert_int_equal(one_edit_refcount(&edit, table), 1);
	assert_int_equal(one_edit_refcount(&edit, data / CLUSTER_BYTES), 1);
	assert_int_equal(edit.result.released_clusters, 1);
	assert_int_equal(edit.result.leaked_clusters, 4);
	assert_non_null(strstr(edit.result.leak_reason, "another bitmap is corrupt"));
	one_edit_free(&edit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guest_has_what_is_written_in_place),
		cmocka_unit_test(a_bitmap_has_what_is_written_in_place),
		cmocka_unit_test(another_structure_is_what_is_written_in_place),
		cmocka_unit_test(a_bitmap_that_names_metadata_can_be_deleted),
		cmocka_unit_test(a_cluster_in_use_that_is_counted_as_free_is_not_taken),
		cmocka_unit_test(what_goes_away_and_is_counted_as_free_is_not_taken),
		cmocka_unit_test(what_is_kept_and_counted_as_free_is_not_taken),
		cmocka_unit_test(clusters_counted_behind_the_end_are_not_taken),
		cmocka_unit_test(a_file_that_was_cut_does_not_grow_over_what_is_lost),
		cmocka_unit_test(beside_a_corrupt_bitmap_nothing_is_released),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
