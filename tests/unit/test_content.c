/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New contents: which data clusters change their owner, and that no bit gets in that is not the
 * disk's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/one_edit.h"

#define PER_CLUSTER 4096u /* bits, in 512 bytes */
#define BITS (2 * PER_CLUSTER + 100)

/* a and b have data in all three clusters; c, d and e only in the last one, which the disk does
 * not fill; x is coarser. */
enum { A, B, C, D, E, X, BITMAPS };

static void build_six(struct one_edit *edit)
{
	static uint8_t bits[BITMAPS][BITS];
	struct build_bitmap bitmaps[BITMAPS];
	for (unsigned i = 0; i < BITMAPS; i++) {
		uint64_t first = i == C || i == D || i == E ? 2 * PER_CLUSTER : 0;
		for (uint64_t bit = first; bit < BITS; bit++)
			bits[i][bit] = bit % (i == A || i == X ? 3 : i == B ? 5 : 7) == 0;
		bitmaps[i] = (struct build_bitmap){.name = &"abcdex"[i],
						   .name_bytes = 1,
						   .granularity_bits = i == X ? 10 : 9,
						   .bits = bits[i]};
	}
	const struct build build = {
		.seed = 31,
		.cluster_bits = 9,
		.refcount_order = 4,
		.virtual_bytes = (uint64_t)BITS << 9,
		.guest_clusters = 10,
		.bitmaps = bitmaps,
		.bitmap_count = BITMAPS,
	};
	memset(edit, 0, sizeof(*edit));
	build_image(&build, &edit->file);
}

static uint64_t entry_of(const struct one_edit *edit, size_t bitmap, uint64_t idx)
{
	return one_edit_load(edit, one_edit_entry_off(edit, bitmap, idx), 8);
}

static enum qcow2bm_code merge(struct qcow2bm_edit *edit, const char *into,
			       const char *source, struct qcow2bm_error *err)
{
	return qcow2bm_edit_merge(edit, into, 1, NULL, source, 1, err);
}

static void run(struct one_edit *edit, stage_fn *stage)
{
	assert_int_equal(one_edit_run(edit, stage, 0), QCOW2BM_OK);
	assert_true(edit->is_sound);
	assert_true(inspect_check_refcounts(&edit->inspect, false, NULL));
}

/* ---- Owners ---- */

static enum qcow2bm_code copy_a_which_stays(struct qcow2bm_edit *edit,
					    struct qcow2bm_error *err)
{
	enum qcow2bm_code code = merge(edit, "a", "c", err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_clear(edit, "b", 1, err);
	return code == QCOW2BM_OK ? merge(edit, "b", "a", err) : code;
}

/* c has nothing where the first clusters of a are: they stay a's. */
static void data_of_a_bitmap_that_stays_is_copied(void **state)
{
	(void)state;
	struct one_edit edit;
	build_six(&edit);
	uint64_t data = entry_of(&edit, A, 0);
	run(&edit, copy_a_which_stays);
	assert_int_equal(entry_of(&edit, A, 0), data);
	assert_int_not_equal(entry_of(&edit, B, 0), data);
	one_edit_free(&edit);
}

static enum qcow2bm_code move_x_into_b(struct qcow2bm_edit *edit,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = qcow2bm_edit_clear(edit, "b", 1, err);
	if (code == QCOW2BM_OK)
		code = merge(edit, "b", "x", err);
	return code == QCOW2BM_OK ? qcow2bm_edit_delete(edit, "x", 1, err) : code;
}

/* A bit of x is two of b. */
static void data_of_another_granularity_is_computed(void **state)
{
	(void)state;
	struct one_edit edit;
	build_six(&edit);
	run(&edit, move_x_into_b);
	for (uint64_t bit = 0; bit < BITS; bit++)
		assert_int_equal(
			inspect_bit(&edit.inspect, &edit.inspect.bitmaps[B], bit),
			bit / 2 % 3 == 0);
	one_edit_free(&edit);
}

/* ---- Bits behind the end of the disk ---- */

static enum qcow2bm_code merge_b_into_a(struct qcow2bm_edit *edit,
					struct qcow2bm_error *err)
{
	return merge(edit, "a", "b", err);
}

static void a_bitmap_with_bits_behind_the_end_of_the_disk_is_no_source(void **state)
{
	(void)state;
	struct one_edit edit;
	build_six(&edit);
	uint64_t last = entry_of(&edit, B, 2);
	memset(edit.file.bytes + last + 100 / 8 + 1, 0xff, 512 - 100 / 8 - 1);
	assert_int_equal(one_edit_run(&edit, merge_b_into_a, 0), QCOW2BM_EIMAGE);
	assert_non_null(strstr(edit.err.sentence, "bits behind the end of the disk"));
	assert_true(one_edit_is_untouched(&edit));
	one_edit_free(&edit);
}

static enum qcow2bm_code merge_thrice(struct qcow2bm_edit *edit,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code = merge(edit, "a", "b", err);
	if (code == QCOW2BM_OK)
		code = merge(edit, "c", "e", err);
	return code == QCOW2BM_OK ? merge(edit, "d", "e", err) : code;
}

/* c and d have the bits of e already. The buffers still hold those of a and b. */
static void bits_of_an_earlier_content_are_not_seen(void **state)
{
	(void)state;
	struct one_edit edit;
	build_six(&edit);
	uint64_t table_of_c = one_edit_entry_off(&edit, C, 0);
	uint64_t table_of_d = one_edit_entry_off(&edit, D, 0);
	run(&edit, merge_thrice);
	assert_int_equal(one_edit_entry_off(&edit, C, 0), table_of_c);
	assert_int_equal(one_edit_entry_off(&edit, D, 0), table_of_d);
	one_edit_free(&edit);
}

static void the_rest_of_a_table_is_zero(void **state)
{
	(void)state;
	struct one_edit edit;
	build_six(&edit);
	run(&edit, merge_b_into_a);
	for (uint64_t idx = 3; idx < 512 / 8; idx++)
		assert_int_equal(entry_of(&edit, A, idx), 0);
	one_edit_free(&edit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_of_a_bitmap_that_stays_is_copied),
		cmocka_unit_test(data_of_another_granularity_is_computed),
		cmocka_unit_test(
			a_bitmap_with_bits_behind_the_end_of_the_disk_is_no_source),
		cmocka_unit_test(bits_of_an_earlier_content_are_not_seen),
		cmocka_unit_test(the_rest_of_a_table_is_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
