/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recovering bitmaps that are in-use: every bit by every method, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../support/memory_storage.h"
#include "../support/one_edit.h"
#include "image/image.h"
#include "../support/copies.h"

#define BITMAPS 4
#define DISK_BYTES \
	((5u << 20) + 1536) /* the last clusters of table and data are part used */

static const uint8_t granularity_bits[BITMAPS] = {9, 12, 10, 16};
static const char *const names[BITMAPS] = {"a", "b", "backing", "backup-vda"};
static const uint32_t flags[BITMAPS] = {BUILD_FLAG_AUTO, 0, 0, 0};

/* What the next run stages, for `wanted`, the bitmap's name. */
static struct qcow2bm_recover_options options = QCOW2BM_RECOVER_OPTIONS_INIT;
static const char *wanted;
static struct qcow2bm_promise promise;

static enum qcow2bm_code recover(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return recover_copied(edit, wanted, strlen(wanted), &options, &promise, NULL,
			      err);
}

struct image {
	struct build build;
	struct build_bitmap bitmaps[BITMAPS];
	uint8_t *bits[BITMAPS];
};

static void build(struct image *image, uint64_t seed)
{
	static const uint8_t cluster_bits[] = {9, 10, 12, 14};
	struct random random;
	random_seed(&random, seed);
	image->build = (struct build){
		.seed = seed,
		.cluster_bits = cluster_bits[seed / 4 % 4],
		.refcount_order = 4,
		.virtual_bytes = DISK_BYTES,
		.guest_clusters = 40,
		.gap_percent = 30,
		.backing_name = "base.qcow2",
		.bitmaps = image->bitmaps,
		.bitmap_count = BITMAPS,
	};
	image->build.extended_l2 = image->build.cluster_bits == 14 && seed % 2 != 0;
	for (size_t i = 0; i < BITMAPS; i++) {
		uint64_t count = build_bits(DISK_BYTES, granularity_bits[i]);
		image->bits[i] = calloc(count, 1);
		assert_non_null(image->bits[i]);
		for (uint64_t bit = 0; bit < count; bit++)
			image->bits[i][bit] = random_percent(&random, 3);
		image->bitmaps[i] = (struct build_bitmap){
			.name = names[i],
			.name_bytes = (uint16_t)strlen(names[i]),
			.flags = flags[i] | BUILD_FLAG_IN_USE,
			.granularity_bits = granularity_bits[i],
			.bits = image->bits[i],
		};
	}
}

static void forget(struct image *image)
{
	for (size_t i = 0; i < BITMAPS; i++)
		free(image->bits[i]);
}

/* Whether the active layer holds the guest's byte, by its L1 and L2 tables. */
static bool is_held(const struct one_edit *edit, uint64_t byte)
{
	unsigned bits = (unsigned)one_edit_load(edit, 20, 4);
	unsigned shift = one_edit_load(edit, 72, 8) & 1u << 4 ? 4 : 3;
	uint64_t guest = byte >> bits;
	uint64_t idx = guest >> (bits - shift),
		 slot = guest & ((1u << (bits - shift)) - 1);
	uint64_t l2 = one_edit_load(edit, one_edit_load(edit, 40, 8) + idx * 8, 8);
	l2 &= 0x00fffffffffffe00u;
	if (l2 == 0)
		return false;
	uint64_t entry = one_edit_load(edit, l2 + (slot << shift), 8);
	if (shift == 3 || (entry & (uint64_t)1 << 62) != 0)
		return entry != 0;
	unsigned subcluster = byte >> (bits - 5) & 31;
	uint64_t bitmap = one_edit_load(edit, l2 + (slot << shift) + 8, 8);
	return (bitmap >> subcluster & 1) != 0 || (bitmap >> 32 >> subcluster & 1) != 0;
}

static bool is_any_held(const struct one_edit *edit, uint64_t start, uint64_t end)
{
	end = end < DISK_BYTES ? end : DISK_BYTES;
	for (uint64_t byte = start; byte < end; byte += 512)
		if (is_held(edit, byte))
			return true;
	return false;
}

static bool expected_bit(const struct one_edit *edit, const uint8_t *stored,
			 unsigned shift, uint64_t bit)
{
	if (options.method == QCOW2BM_RECOVER_FULL)
		return true;
	if (stored[bit] != 0 || options.method == QCOW2BM_RECOVER_STORED)
		return stored[bit] != 0;
	return is_any_held(edit, bit << shift, (bit + 1) << shift);
}

/* The one that was recovered has the bits, the others are as they were. */
static void check_bits(const struct one_edit *edit, const struct image *image, size_t idx)
{
	uint64_t more = 0;
	for (size_t i = 0; i < BITMAPS; i++) {
		const struct inspect_bitmap *bitmap = &edit->inspect.bitmaps[i];
		for (uint64_t bit = 0; bit < bitmap->bits; bit++) {
			bool is_set = inspect_bit(&edit->inspect, bitmap, bit);
			bool stored = image->bits[i][bit] != 0;
			more += is_set && !stored;
			assert_int_equal(is_set,
					 i != idx ? stored
						  : expected_bit(edit, image->bits[i],
								 granularity_bits[i],
								 bit));
		}
		if (i != idx)
			assert_int_equal(bitmap->flags, flags[i] | BUILD_FLAG_IN_USE);
	}
	assert_int_equal(more != 0, options.method != QCOW2BM_RECOVER_STORED);
}

static void run(struct one_edit *edit, size_t idx, enum qcow2bm_recovery method)
{
	options = (struct qcow2bm_recover_options){
		.size = sizeof(options), .method = method, .accept_unsafe = true};
	wanted = names[idx];
	if (one_edit_run(edit, recover, 0) != QCOW2BM_OK)
		fail_msg("%s", edit->err.sentence);
	assert_true(edit->result.switched);
	assert_true(edit->is_sound);
}

static void every_bit_by_every_method(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 16; seed++) {
		struct image image;
		struct one_edit edit = {0};
		struct inspect before;
		size_t idx = seed % BITMAPS;
		build(&image, seed);
		for (int method = 0; method <= QCOW2BM_RECOVER_FULL; method++) {
			build_image(&image.build, &edit.file);
			run(&edit, idx, (enum qcow2bm_recovery)method);
			check_bits(&edit, &image, idx);
			assert_int_equal(edit.inspect.bitmaps[idx].flags, flags[idx]);
			assert_true(inspect_load(&before, edit.before.bytes,
						 edit.before.length));
			assert_true(inspect_check_edit(&edit.inspect, &before));
			assert_true(inspect_check_refcounts(&edit.inspect, false, NULL));
			assert_int_equal(edit.result.leaked_clusters, 0);
			assert_true(edit.result.written_clusters <=
				    edit.plan.write_clusters);
			inspect_free(&before);
		}
		one_edit_free(&edit);
		forget(&image);
	}
}

static void recording_is_as_it_is_asked_for(void **state)
{
	(void)state;
	struct image image;
	struct one_edit edit = {0};
	build(&image, 51);
	for (size_t i = 0; i < 2; i++) {
		options = (struct qcow2bm_recover_options){
			.size = sizeof(options),
			.method = QCOW2BM_RECOVER_FULL,
			.recording =
				i == 0 ? QCOW2BM_RECORDING_OFF : QCOW2BM_RECORDING_ON,
		};
		wanted = names[i];
		build_image(&image.build, &edit.file);
		assert_int_equal(one_edit_run(&edit, recover, 0), QCOW2BM_OK);
		assert_int_equal(edit.inspect.bitmaps[i].flags,
				 i == 0 ? 0 : BUILD_FLAG_AUTO);
	}
	one_edit_free(&edit);
	forget(&image);
}

static void snapshots_and_a_missing_backing_file_are_seen(void **state)
{
	(void)state;
	struct image image;
	struct one_edit edit = {0};
	build(&image, 52);
	options = (struct qcow2bm_recover_options){.size = sizeof(options),
						   .method = QCOW2BM_RECOVER_ALLOCATED};
	wanted = "b";
	image.build.snapshots = 1;
	build_image(&image.build, &edit.file);
	assert_int_equal(one_edit_run(&edit, recover, 0), QCOW2BM_EINUSE);
	assert_int_equal(promise.guarantee, QCOW2BM_GUARANTEE_UNSAFE);
	image.build.snapshots = 0;
	image.build.backing_name = NULL;
	build_image(&image.build, &edit.file);
	options.accept_unsafe = true;
	assert_int_equal(one_edit_run(&edit, recover, 0), QCOW2BM_EINVAL);
	assert_true(one_edit_is_untouched(&edit));
	one_edit_free(&edit);
	forget(&image);
}

/* Where the directory has bitmap 0, of a soundly built image. */
static uint64_t first_entry_off(const struct one_edit *edit)
{
	return one_edit_find(edit, INSPECT_DIRECTORY) << one_edit_load(edit, 20, 4);
}

/* As after a resize while the bitmap was in-use: the table has too few entries, or too many. */
static void a_table_that_does_not_fit_is_made_anew(void **state)
{
	(void)state;
	for (unsigned grown = 0; grown < 2; grown++) {
		struct image image;
		struct one_edit edit = {0};
		build(&image, 0); /* small clusters: the table has several entries */
		image.build.bitmap_count = 1;
		for (int method = 0; method <= QCOW2BM_RECOVER_FULL; method++) {
			build_image(&image.build, &edit.file);
			uint64_t entry = first_entry_off(&edit);
			uint64_t entries = one_edit_load(&edit, entry + 8, 4);
			assert_true(entries > 2);
			uint64_t known = (entries - 1) << (9 + 3), all;
			if (grown)
				one_edit_store(&edit, entry + 8, 4, entries - 1);
			else
				one_edit_store(&edit, 24, 8, known << 9);
			options = (struct qcow2bm_recover_options){
				.size = sizeof(options),
				.method = (enum qcow2bm_recovery)method,
				.accept_unsafe = true,
			};
			wanted = "a";
			enum qcow2bm_code code = one_edit_run(&edit, recover, 0);
			if (method == QCOW2BM_RECOVER_STORED) {
				assert_int_equal(code, QCOW2BM_EIMAGE);
				assert_non_null(
					strstr(edit.err.sentence, "another size"));
				assert_true(one_edit_is_untouched(&edit));
				continue;
			}
			assert_int_equal(code, QCOW2BM_OK);
			if (!edit.is_sound)
				fail_msg("%s", edit.inspect.problem);
			all = edit.inspect.bitmaps[0].bits;
			assert_int_equal(edit.inspect.bitmaps[0].entries,
					 grown ? entries : entries - 1);
			for (uint64_t bit = 0; bit < all; bit++) {
				uint8_t stored = bit < known ? image.bits[0][bit] : 0;
				assert_int_equal(
					inspect_bit(&edit.inspect,
						    &edit.inspect.bitmaps[0], bit),
					method == QCOW2BM_RECOVER_FULL || stored ||
						is_any_held(&edit, bit << 9,
							    (bit + 1) << 9));
			}
		}
		one_edit_free(&edit);
		forget(&image);
	}
}

/* The file was cut off, or the table is broken: nothing is needed of it to make all dirty. */
static void a_table_that_cannot_be_read_is_only_made_full(void **state)
{
	(void)state;
	/* Of the directory entry or of the table: past the end, a reserved bit, misaligned. */
	static const struct {
		bool in_table;
		uint64_t value;
	} damages[] = {{false, (uint64_t)1 << 40}, {true, 2}, {false, 1000}};
	struct image image;
	struct one_edit edit = {0};
	build(&image, 53);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		for (int method = 0; method <= QCOW2BM_RECOVER_FULL; method++) {
			build_image(&image.build, &edit.file);
			one_edit_store(&edit,
				       damages[i].in_table
					       ? one_edit_entry_off(&edit, 0, 0)
					       : first_entry_off(&edit),
				       8, damages[i].value);
			options = (struct qcow2bm_recover_options){
				.size = sizeof(options),
				.method = (enum qcow2bm_recovery)method,
				.accept_unsafe = true,
			};
			wanted = "a";
			bool full = method == QCOW2BM_RECOVER_FULL;
			assert_int_equal(one_edit_run(&edit, recover, 0),
					 full ? QCOW2BM_OK : QCOW2BM_EIMAGE);
			assert_int_equal(one_edit_is_untouched(&edit), !full);
			if (full) {
				assert_true(edit.is_sound);
				assert_string_not_equal(edit.result.leak_reason, "");
				check_bits(&edit, &image, 0);
			}
		}
	}
	one_edit_free(&edit);
	forget(&image);
}

static void what_is_not_in_use_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum qcow2bm_code code;
	} refused[] = {{"b", QCOW2BM_EINVAL},
		       {"none", QCOW2BM_ENOTFOUND},
		       {"backing", QCOW2BM_EUNSUPPORTED},
		       {"backup-vda", QCOW2BM_EIMAGE}};
	struct image image;
	struct one_edit edit = {0};
	build(&image, 54);
	image.bitmaps[1].flags = BUILD_FLAG_AUTO;
	image.bitmaps[2].extra = "extra";
	image.bitmaps[2].extra_bytes = 5;
	image.bitmaps[3].flags = 1u << 9 | BUILD_FLAG_IN_USE; /* a reserved flag */
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		build_image(&image.build, &edit.file);
		options = (struct qcow2bm_recover_options){
			.size = sizeof(options), .method = QCOW2BM_RECOVER_FULL};
		wanted = refused[i].name;
		assert_int_equal(one_edit_run(&edit, recover, 0), refused[i].code);
		assert_true(one_edit_is_untouched(&edit));
	}
	one_edit_free(&edit);
	forget(&image);
}

/* In one edit: what is recovered can be used, and what is used is the recovered. */
static enum qcow2bm_code recover_and_merge(struct qcow2bm_edit *edit,
					   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = recover(edit, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_add(edit, "new", 3, granularity_bits[0], false, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_merge(edit, "new", 3, NULL, "a", 1, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_disable(edit, "a", 1, err);
	if (code == QCOW2BM_OK && recover(edit, NULL) != QCOW2BM_EINVAL)
		fail_msg("recovered twice");
	return code;
}

static void the_same_edit_can_go_on(void **state)
{
	(void)state;
	struct image image;
	struct one_edit edit = {0};
	build(&image, 55);
	for (int method = 0; method <= QCOW2BM_RECOVER_FULL; method++) {
		build_image(&image.build, &edit.file);
		options = (struct qcow2bm_recover_options){
			.size = sizeof(options),
			.method = (enum qcow2bm_recovery)method,
			.accept_unsafe = true};
		wanted = "a";
		assert_int_equal(one_edit_run(&edit, recover_and_merge, 0), QCOW2BM_OK);
		assert_true(edit.is_sound);
		const struct inspect_bitmap *a = &edit.inspect.bitmaps[0];
		const struct inspect_bitmap *new = &edit.inspect.bitmaps[BITMAPS];
		assert_int_equal(a->flags, 0);
		for (uint64_t bit = 0; bit < a->bits; bit++) {
			bool expected = expected_bit(&edit, image.bits[0],
						     granularity_bits[0], bit);
			assert_int_equal(inspect_bit(&edit.inspect, a, bit), expected);
			assert_int_equal(inspect_bit(&edit.inspect, new, bit), expected);
		}
	}
	one_edit_free(&edit);
	forget(&image);
}

static enum qcow2bm_code recover_and_clear(struct qcow2bm_edit *edit,
					   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = recover(edit, err);
	return code == QCOW2BM_OK ? qcow2bm_edit_clear(edit, "a", 1, err) : code;
}

static void a_recovered_one_can_be_cleared(void **state)
{
	(void)state;
	struct image image;
	struct one_edit edit = {0};
	build(&image, 56);
	for (int method = 0; method <= QCOW2BM_RECOVER_FULL; method++) {
		build_image(&image.build, &edit.file);
		options = (struct qcow2bm_recover_options){
			.size = sizeof(options),
			.method = (enum qcow2bm_recovery)method,
			.accept_unsafe = true};
		wanted = "a";
		assert_int_equal(one_edit_run(&edit, recover_and_clear, 0), QCOW2BM_OK);
		for (uint64_t bit = 0; bit < edit.inspect.bitmaps[0].bits; bit++)
			assert_false(inspect_bit(&edit.inspect, &edit.inspect.bitmaps[0],
						 bit));
	}
	one_edit_free(&edit);
	forget(&image);
}

/* The format has it, QEMU refuses the image: then nothing is there to be used again. */
static void a_granularity_that_qemu_refuses_is_refused(void **state)
{
	(void)state;
	static const uint64_t refused[] = {0, 8, 32, 63};
	struct image image;
	struct one_edit edit = {0};
	build(&image, 59);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		for (int method = 0; method <= QCOW2BM_RECOVER_FULL; method++) {
			build_image(&image.build, &edit.file);
			one_edit_store(&edit, first_entry_off(&edit) + 17, 1, refused[i]);
			options = (struct qcow2bm_recover_options){
				.size = sizeof(options),
				.method = (enum qcow2bm_recovery)method,
				.accept_unsafe = true,
			};
			wanted = "a";
			assert_int_not_equal(one_edit_run(&edit, recover, 0), QCOW2BM_OK);
			assert_true(one_edit_is_untouched(&edit));
		}
	}
	one_edit_free(&edit);
	forget(&image);
}

static void a_live_image_is_refused(void **state)
{
	(void)state;
	struct image image;
	struct one_edit edit = {0};
	struct qcow2bm_image *open = NULL;
	struct qcow2bm_edit *staged = NULL;
	build(&image, 57);
	build_image(&image.build, &edit.file);
	assert_int_equal(q2_image_open(&open, memory_storage_open(&edit.file), NULL),
			 QCOW2BM_OK);
	open->storage->writer = Q2_WRITER_LIVE;
	assert_int_equal(qcow2bm_edit_begin(&staged, open, NULL), QCOW2BM_OK);
	options = (struct qcow2bm_recover_options){.size = sizeof(options),
						   .method = QCOW2BM_RECOVER_FULL};
	wanted = "a";
	assert_int_equal(recover(staged, NULL), QCOW2BM_EBUSY);
	open->storage->writer = Q2_WRITER_NONE;
	assert_int_equal(qcow2bm_edit_recover(staged, "a", 1, &options, NULL, NULL, NULL),
			 QCOW2BM_OK);
	qcow2bm_edit_end(staged);
	qcow2bm_image_close(open);
	one_edit_free(&edit);
	forget(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_by_every_method),
		cmocka_unit_test(recording_is_as_it_is_asked_for),
		cmocka_unit_test(snapshots_and_a_missing_backing_file_are_seen),
		cmocka_unit_test(a_table_that_does_not_fit_is_made_anew),
		cmocka_unit_test(a_table_that_cannot_be_read_is_only_made_full),
		cmocka_unit_test(what_is_not_in_use_is_refused),
		cmocka_unit_test(the_same_edit_can_go_on),
		cmocka_unit_test(a_recovered_one_can_be_cleared),
		cmocka_unit_test(a_granularity_that_qemu_refuses_is_refused),
		cmocka_unit_test(a_live_image_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
