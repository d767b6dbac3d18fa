/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What recovered bitmaps promise: guarantees, their conditions, and what speaks against them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../support/memory_storage.h"
#include "../support/one_edit.h"
#include "../support/copies.h"

#define BITMAPS 4
#define GRANULARITY_BITS 12
#define DISK_BYTES (4u << 20)
#define BITS (DISK_BYTES >> GRANULARITY_BITS)

#define QMP (1u << QCOW2BM_CONDITION_NOT_CHANGED_BY_QMP)
#define SIZE (1u << QCOW2BM_CONDITION_NOT_RESIZED)
#define COMMIT (1u << QCOW2BM_CONDITION_NOT_COMMITTED)
#define OTHERS (1u << QCOW2BM_CONDITION_NOT_WRITTEN_BY_OTHERS)
#define FOR_STORED (QMP | SIZE)
#define ALL (QMP | SIZE | COMMIT | OTHERS)

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
	uint8_t bits[BITMAPS][BITS];
};

/* An overlay with four bitmaps in-use, all clean: one records. */
static void build(struct image *image, uint64_t seed)
{
	static const char *const names[BITMAPS] = {"rec", "old", "older", "backup-vda"};
	memset(image, 0, sizeof(*image));
	image->build = (struct build){
		.seed = seed,
		.cluster_bits = 12,
		.refcount_order = 4,
		.virtual_bytes = DISK_BYTES,
		.guest_clusters = 40,
		.backing_name = "base.qcow2",
		.bitmaps = image->bitmaps,
		.bitmap_count = BITMAPS,
	};
	for (size_t i = 0; i < BITMAPS; i++)
		image->bitmaps[i] = (struct build_bitmap){
			.name = names[i],
			.name_bytes = (uint16_t)strlen(names[i]),
			.flags = BUILD_FLAG_IN_USE | (i == 0 ? BUILD_FLAG_AUTO : 0),
			.granularity_bits = GRANULARITY_BITS,
			.bits = image->bits[i],
		};
}

static enum qcow2bm_code run(struct image *image, const char *name,
			     enum qcow2bm_recovery method, unsigned assumed)
{
	struct one_edit edit = {0};
	build_image(&image->build, &edit.file);
	options = (struct qcow2bm_recover_options){
		.size = sizeof(options), .method = method, .assumed = assumed};
	wanted = name;
	memset(&promise, 0xff, sizeof(promise));
	enum qcow2bm_code code = one_edit_run(&edit, recover, 0);
	assert_int_equal(one_edit_is_untouched(&edit), code != QCOW2BM_OK);
	one_edit_free(&edit);
	return code;
}

static void check_safe(struct image *image, const char *name,
		       enum qcow2bm_recovery method, unsigned assumed,
		       enum qcow2bm_guarantee guarantee, unsigned conditions)
{
	assert_int_equal(run(image, name, method, assumed), QCOW2BM_OK);
	assert_int_equal(promise.method, method);
	assert_int_equal(promise.guarantee, guarantee);
	assert_int_equal(promise.conditions, conditions);
	assert_int_equal(promise.assumed, conditions & assumed);
}

static void check_unsafe(struct image *image, const char *name,
			 enum qcow2bm_recovery method, unsigned assumed, unsigned better)
{
	assert_int_equal(run(image, name, method, assumed), QCOW2BM_EINUSE);
	assert_int_equal(promise.guarantee, QCOW2BM_GUARANTEE_UNSAFE);
	assert_int_equal(promise.conditions, 0);
	assert_int_equal(promise.better_conditions, better);
}

static void each_guarantee_names_its_conditions(void **state)
{
	(void)state;
	struct image image;
	build(&image, 1);
	for (unsigned assumed = 0; assumed <= ALL; assumed++) {
		check_safe(&image, "old", QCOW2BM_RECOVER_STORED, assumed,
			   QCOW2BM_GUARANTEE_EXACT, FOR_STORED);
		check_unsafe(&image, "rec", QCOW2BM_RECOVER_STORED, assumed, 0);
		check_unsafe(&image, "backup-vda", QCOW2BM_RECOVER_STORED, assumed, 0);
		for (size_t i = 0; i < BITMAPS; i++) {
			const char *name = image.bitmaps[i].name;
			check_safe(&image, name, QCOW2BM_RECOVER_ALLOCATED, assumed,
				   QCOW2BM_GUARANTEE_SUPERSET, ALL);
			assert_false(promise.all_dirty);
			check_safe(&image, name, QCOW2BM_RECOVER_FULL, assumed,
				   QCOW2BM_GUARANTEE_SUPERSET, 0);
			assert_true(promise.all_dirty);
		}
	}
}

static void conditions_have_names(void **state)
{
	(void)state;
	static const char *const names[QCOW2BM_CONDITION_COUNT] = {
		"not-changed-by-qmp", "not-resized", "not-committed",
		"not-written-by-others", "old-is-base"};
	for (unsigned i = 0; i < QCOW2BM_CONDITION_COUNT; i++)
		assert_string_equal(qcow2bm_condition_name((enum qcow2bm_condition)i),
				    names[i]);
	assert_null(qcow2bm_condition_name(QCOW2BM_CONDITION_COUNT));
}

/* Nothing is held, and bits are set: whatever is assumed. Without bits nothing speaks against it. */
static void an_emptied_overlay_is_seen(void **state)
{
	(void)state;
	struct image image;
	build(&image, 2);
	image.build.guest_clusters = 0;
	check_safe(&image, "rec", QCOW2BM_RECOVER_ALLOCATED, 0,
		   QCOW2BM_GUARANTEE_SUPERSET, ALL);
	image.bits[1][BITS - 1] = 1;
	check_unsafe(&image, "rec", QCOW2BM_RECOVER_ALLOCATED, 0, 0);
	check_unsafe(&image, "rec", QCOW2BM_RECOVER_ALLOCATED, ALL, 0);
	check_unsafe(&image, "old", QCOW2BM_RECOVER_ALLOCATED, ALL, 0);
	check_safe(&image, "old", QCOW2BM_RECOVER_STORED, 0, QCOW2BM_GUARANTEE_EXACT,
		   FOR_STORED);
}

/* Some is held, and not where a bit is set, of any bitmap that is in-use and at any granularity. */
static void bits_that_the_overlay_lacks_are_seen(void **state)
{
	(void)state;
	struct image image;
	for (unsigned granularity_bits = 9; granularity_bits <= 15; granularity_bits++) {
		static uint8_t bits[DISK_BYTES >> 9];
		build(&image, 3);
		image.build.guest_clusters = 4;
		image.bitmaps[2].granularity_bits = (uint8_t)granularity_bits;
		image.bitmaps[2].bits = bits;
		memset(bits, 1, DISK_BYTES >> granularity_bits);
		bits[0] = 0;
		check_unsafe(&image, "rec", QCOW2BM_RECOVER_ALLOCATED, 0, ALL);
		check_unsafe(&image, "rec", QCOW2BM_RECOVER_ALLOCATED, ALL & ~COMMIT,
			     ALL);
		check_safe(&image, "rec", QCOW2BM_RECOVER_ALLOCATED, ALL,
			   QCOW2BM_GUARANTEE_SUPERSET, ALL);
	}
	image.bitmaps[2].flags = 0; /* a valid one is not looked at */
	check_safe(&image, "rec", QCOW2BM_RECOVER_ALLOCATED, 0,
		   QCOW2BM_GUARANTEE_SUPERSET, ALL);
}

static void a_whole_disk_rests_on_nothing(void **state)
{
	(void)state;
	struct image image;
	build(&image, 4);
	memset(image.bits[0], 1, BITS);
	check_safe(&image, "rec", QCOW2BM_RECOVER_ALLOCATED, 0,
		   QCOW2BM_GUARANTEE_SUPERSET, 0);
	assert_true(promise.all_dirty);
	image.bits[0][BITS - 1] = 0;
	image.build.guest_clusters = 0;
	check_unsafe(&image, "rec", QCOW2BM_RECOVER_ALLOCATED, 0, 0);
	assert_false(promise.all_dirty);
}

static void traces_of_qmp_are_seen(void **state)
{
	(void)state;
	struct image image;
	build(&image, 5);
	image.bitmaps[0].flags = BUILD_FLAG_IN_USE; /* nothing records */
	check_unsafe(&image, "old", QCOW2BM_RECOVER_STORED, 0, FOR_STORED);
	check_unsafe(&image, "old", QCOW2BM_RECOVER_STORED, QMP, FOR_STORED);
	check_safe(&image, "old", QCOW2BM_RECOVER_STORED, FOR_STORED,
		   QCOW2BM_GUARANTEE_EXACT, FOR_STORED);
	/* A hole in the names, and names without one. */
	static const struct {
		const char *name;
		bool has_hole;
	} names[] = {
		{"rec^old", false}, {"rec^older", false}, {"rec^", false},
		{"^old", false},    {"rec^ol", true},     {"rec^gone", true},
		{"a^b^old", true},
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		build(&image, 6);
		image.bitmaps[0].name = names[i].name;
		image.bitmaps[0].name_bytes = (uint16_t)strlen(names[i].name);
		image.bitmaps[2].name = "old^older";
		image.bitmaps[2].name_bytes = 9;
		image.bitmaps[3].name = "older";
		image.bitmaps[3].name_bytes = 5;
		if (names[i].has_hole)
			check_unsafe(&image, "old", QCOW2BM_RECOVER_STORED, 0,
				     FOR_STORED);
		else
			check_safe(&image, "old", QCOW2BM_RECOVER_STORED, 0,
				   QCOW2BM_GUARANTEE_EXACT, FOR_STORED);
	}
}

/* The best whose conditions are all assumed; all dirty with nothing assumed. */
static void auto_takes_what_is_sure(void **state)
{
	(void)state;
	struct image image;
	for (unsigned assumed = 0; assumed <= ALL; assumed++) {
		bool for_stored = (assumed & FOR_STORED) == FOR_STORED;
		build(&image, 7);
		assert_int_equal(run(&image, "old", QCOW2BM_RECOVER_AUTO, assumed),
				 QCOW2BM_OK);
		assert_int_equal(promise.method, for_stored ? QCOW2BM_RECOVER_STORED
							    : QCOW2BM_RECOVER_FULL);
		assert_int_equal(promise.better_conditions, for_stored ? 0 : FOR_STORED);
		assert_int_equal(run(&image, "rec", QCOW2BM_RECOVER_AUTO, assumed),
				 QCOW2BM_OK);
		assert_int_equal(promise.method, assumed == ALL
							 ? QCOW2BM_RECOVER_ALLOCATED
							 : QCOW2BM_RECOVER_FULL);
		assert_int_equal(promise.better_conditions, assumed == ALL ? 0 : ALL);
		assert_int_equal(promise.better,
				 assumed == ALL ? 0 : QCOW2BM_RECOVER_ALLOCATED);
		assert_int_equal(promise.conditions & ~assumed, 0);
		/* Neither where the image disproves it, nor where there is no such way. */
		image.build.guest_clusters = 0;
		image.bits[0][0] = 1;
		assert_int_equal(run(&image, "rec", QCOW2BM_RECOVER_AUTO, assumed),
				 QCOW2BM_OK);
		assert_int_equal(promise.method, QCOW2BM_RECOVER_FULL);
		assert_int_equal(promise.better_conditions, 0);
		build(&image, 8);
		image.build.backing_name = NULL;
		assert_int_equal(run(&image, "rec", QCOW2BM_RECOVER_AUTO, assumed),
				 QCOW2BM_OK);
		assert_int_equal(promise.method, QCOW2BM_RECOVER_FULL);
		assert_int_equal(promise.guarantee, QCOW2BM_GUARANTEE_SUPERSET);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_guarantee_names_its_conditions),
		cmocka_unit_test(conditions_have_names),
		cmocka_unit_test(an_emptied_overlay_is_seen),
		cmocka_unit_test(bits_that_the_overlay_lacks_are_seen),
		cmocka_unit_test(a_whole_disk_rests_on_nothing),
		cmocka_unit_test(traces_of_qmp_are_seen),
		cmocka_unit_test(auto_takes_what_is_sure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
