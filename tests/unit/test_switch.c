/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each form of the switch: which bytes of the header cluster an edit writes, and what a power
 * cut at any of its writes leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/one_edit.h"
#include "format/extension.h"
#include "switch_checks.h"

#define CLUSTER_BYTES 1024
#define HEADER_BYTES 112
#define NAME "/path/of/a/backing.qcow2"
#define LIBVIRT_BYTES 33280 /* of an image it reads no more */

static const struct build_bitmap one_bitmap[] = {
	{.name = "a", .name_bytes = 1, .flags = 2, .granularity_bits = 16},
};

static struct build small(unsigned bitmaps)
{
	return (struct build){
		.seed = 7,
		.cluster_bits = 10,
		.refcount_order = 4,
		.virtual_bytes = 1 << 20,
		.guest_clusters = 8,
		.bitmaps = one_bitmap,
		.bitmap_count = bitmaps,
	};
}

/* Puts the bitmaps extension's payload at `payload_off`. */
static void put_payload_at(struct build *build, uint32_t payload_off)
{
	build->before[0] =
		(struct build_extension){0x71000001u, payload_off - 16 - HEADER_BYTES};
}

static enum qcow2bm_code add_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_add(edit, "a", 1, 16, true, err);
}

static enum qcow2bm_code add_b(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_add(edit, "b", 1, 16, true, err);
}

static enum qcow2bm_code disable_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_disable(edit, "a", 1, err);
}

static enum qcow2bm_code delete_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_delete(edit, "a", 1, err);
}

/* Runs an edit that must succeed, and checks all that holds for each form. */
static void run(struct one_edit *edit, stage_fn *stage, size_t bitmaps)
{
	struct inspect before;
	assert_int_equal(one_edit_run(edit, stage, 0), QCOW2BM_OK);
	assert_true(edit->is_sound);
	assert_true(inspect_load(&before, edit->before.bytes, edit->before.length));
	assert_true(inspect_check_edit(&edit->inspect, &before));
	assert_true(inspect_check_refcounts(&edit->inspect, false, NULL));
	assert_int_equal(edit->inspect.bitmap_count, bitmaps);
	switch_checks_order(edit);
	switch_checks_power_cuts(edit, before.bitmap_count, bitmaps);
	inspect_free(&before);
}

static size_t writes_to_header(const struct one_edit *edit)
{
	size_t count = 0;
	for (size_t i = 0; i < edit->log.count; i++)
		count += edit->log.ops[i].kind == RECORD_WRITE &&
			 edit->log.ops[i].off < CLUSTER_BYTES;
	return count;
}

static uint32_t type_at(const struct one_edit *edit, uint64_t off)
{
	return (uint32_t)inspect_number(&edit->inspect, off, 4);
}

static void in_place(void **state)
{
	(void)state;
	static const uint32_t offs[] = {128, 488, 512};
	for (size_t i = 0; i < sizeof(offs) / sizeof(offs[0]); i++) {
		struct one_edit edit = {0};
		struct build build = small(1);
		if (offs[i] != 128)
			put_payload_at(&build, offs[i]);
		else
			build.before[0] = (struct build_extension){0x71000001u, 0};
		build_image(&build, &edit.file);
		run(&edit, add_b, 2);
		assert_int_equal(edit.inspect.payload_off, offs[i]);
		assert_int_equal(writes_to_header(&edit), 1);
		assert_int_equal(edit.result.syncs, 3);
		one_edit_free(&edit);
	}
}

static void relocated_where_the_payload_crosses_a_sector(void **state)
{
	(void)state;
	static const uint32_t offs[] = {496, 504};
	for (size_t i = 0; i < 2; i++) {
		struct one_edit edit = {0};
		struct build build = small(1);
		put_payload_at(&build, offs[i]);
		build.behind[0] = (struct build_extension){0x72000001u, 21};
		build_image(&build, &edit.file);
		run(&edit, add_b, 2);
		assert_int_equal(type_at(&edit, offs[i] - 8), Q2_EXTENSION_PADDING);
		assert_true(edit.inspect.payload_off > 512);
		/* From then on it is in one sector. */
		uint64_t payload_off = edit.inspect.payload_off;
		run(&edit, delete_a, 1);
		assert_int_equal(edit.inspect.payload_off, payload_off);
		one_edit_free(&edit);
	}
}

static void first_over_the_end_marker(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(0);
	build_image(&build, &edit.file);
	run(&edit, add_a, 1);
	assert_int_equal(edit.inspect.payload_off, HEADER_BYTES + 8);
	assert_int_equal(edit.inspect.extension_count, 1);
	one_edit_free(&edit);
}

static void first_behind_padding_where_a_sector_ends(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(0);
	put_payload_at(&build, 496);
	build_image(&build, &edit.file);
	run(&edit, add_a, 1);
	assert_int_equal(type_at(&edit, 488), Q2_EXTENSION_PADDING);
	assert_int_equal(edit.inspect.payload_off, 512);
	one_edit_free(&edit);
}

static void last_ends_the_extensions(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(1);
	build_image(&build, &edit.file);
	run(&edit, delete_a, 0);
	assert_int_equal(type_at(&edit, HEADER_BYTES), Q2_EXTENSION_END);
	assert_int_equal(edit.inspect.autoclear, 0);
	one_edit_free(&edit);
}

/* The write that reaches autoclear bit 0 stays in the header's sector: the end marker behind it
 * is another write. */
static void check_switch_is_one_sector(const struct one_edit *edit)
{
	size_t switches = 0;
	for (size_t i = 0; i < edit->log.count; i++) {
		const struct record_op *op = &edit->log.ops[i];
		if (op->kind != RECORD_WRITE || op->off > 88 || op->off + op->bytes < 96)
			continue;
		assert_true(op->off + op->bytes <= RECORD_SECTOR_BYTES);
		switches++;
	}
	assert_int_equal(switches, 1);
}

static void first_and_last_behind_the_sector_of_the_header(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(0);
	build.before[0] = (struct build_extension){0x71000001u, 400};
	build_image(&build, &edit.file);
	run(&edit, add_a, 1);
	check_switch_is_one_sector(&edit);
	assert_int_equal(edit.inspect.payload_off, HEADER_BYTES + 416);
	run(&edit, delete_a, 0);
	check_switch_is_one_sector(&edit);
	assert_int_equal(type_at(&edit, HEADER_BYTES + 408), Q2_EXTENSION_END);
	/* An extension that were still there would be refused. */
	run(&edit, add_b, 1);
	one_edit_free(&edit);
}

/* Else every later edit would have to move it. */
static void first_leaves_padding_that_crosses_a_sector(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(0);
	build.before[0] = (struct build_extension){0x71000001u, 368};
	build.before[1] = (struct build_extension){Q2_EXTENSION_PADDING, 24};
	build_image(&build, &edit.file);
	run(&edit, add_a, 1);
	assert_true(edit.inspect.payload_off > 512);
	one_edit_free(&edit);
}

static void last_leaves_padding_before_others_and_first_takes_it(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(1);
	build.behind[0] = (struct build_extension){0x72000001u, 13};
	build_image(&build, &edit.file);
	run(&edit, delete_a, 0);
	assert_int_equal(type_at(&edit, HEADER_BYTES), Q2_EXTENSION_PADDING);
	run(&edit, add_b, 1);
	assert_int_equal(edit.inspect.payload_off, HEADER_BYTES + 8);
	assert_int_equal(edit.inspect.extension_count, 2);
	one_edit_free(&edit);
}

/* Whoever reads the image finds the name, and can move it on by the 16 bytes of an extension. */
static void check_name(const struct one_edit *edit, const char *name, uint64_t off)
{
	assert_int_equal(edit->inspect.backing_off, off);
	assert_memory_equal(edit->file.bytes + off, name, strlen(name));
	uint64_t limit = one_edit_load(edit, 20, 4) < 16
				 ? 1u << one_edit_load(edit, 20, 4)
				 : LIBVIRT_BYTES;
	assert_in_range(off + strlen(name) + 16, 0, limit);
}

static void backing_name_moves_out_of_the_way(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(0);
	build.backing_name = NAME;
	build_image(&build, &edit.file);
	run(&edit, add_a, 1);
	/* Right behind the new end marker. */
	check_name(&edit, NAME, HEADER_BYTES + 8 + 24 + 8);
	run(&edit, delete_a, 0);
	check_name(&edit, NAME, HEADER_BYTES + 8 + 24 + 8);
	one_edit_free(&edit);
}

/* The copy must not touch the old name: until the header names it, that is the one that counts. */
static void long_backing_name_moves_behind_its_old_place(void **state)
{
	(void)state;
	static char name[301];
	struct one_edit edit = {0};
	struct build build = small(0);
	memset(name, 'n', sizeof(name) - 1);
	build.backing_name = name;
	build_image(&build, &edit.file);
	run(&edit, add_a, 1);
	check_name(&edit, name, HEADER_BYTES + 8 + 304);
	one_edit_free(&edit);
}

static void backing_name_with_room_before_it_stays(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(0);
	build.backing_name = NAME;
	build.backing_gap = 32;
	build_image(&build, &edit.file);
	run(&edit, add_a, 1);
	assert_int_equal(edit.inspect.backing_off, HEADER_BYTES + 8 + 32);
	one_edit_free(&edit);
}

/* Where this program once put it: every edit brings it back. */
static void backing_name_at_the_end_moves_back(void **state)
{
	(void)state;
	static const struct {
		unsigned before, after;
		stage_fn *stage;
	} cases[] = {{0, 1, add_a}, {1, 2, add_b}, {1, 1, disable_a}, {1, 0, delete_a}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned bits = 10; bits <= 16; bits += 6) {
			struct one_edit edit = {0};
			struct build build = small(cases[i].before);
			build.cluster_bits = bits;
			build.virtual_bytes = 64 << 10;
			build.guest_clusters = 1;
			build.backing_name = NAME;
			build.backing_gap = (1u << bits) - HEADER_BYTES - 8 -
					    cases[i].before * 32 - (unsigned)strlen(NAME);
			build_image(&build, &edit.file);
			run(&edit, cases[i].stage, cases[i].after);
			check_name(&edit, NAME, HEADER_BYTES + 8 + 24 + 8);
			one_edit_free(&edit);
		}
	}
}

/* With 16 bytes behind it it is well where it is, however far from the extensions. */
static void backing_name_with_room_behind_it_stays(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(1);
	build.backing_name = NAME;
	build.backing_gap =
		CLUSTER_BYTES - HEADER_BYTES - 40 - (unsigned)strlen(NAME) - 16;
	build_image(&build, &edit.file);
	run(&edit, add_b, 2);
	check_name(&edit, NAME, CLUSTER_BYTES - strlen(NAME) - 16);
	build.backing_gap++;
	one_edit_free(&edit);
	memset(&edit, 0, sizeof(edit));
	build_image(&build, &edit.file);
	run(&edit, add_b, 2);
	check_name(&edit, NAME, HEADER_BYTES + 40);
	one_edit_free(&edit);
}

/* What the end marker claims to have counts for QEMU: the name must not stand in it. */
static void backing_name_stays_behind_the_end_markers_data(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(1);
	build.backing_name = NAME;
	build.backing_gap = CLUSTER_BYTES - HEADER_BYTES - 40 - (unsigned)strlen(NAME);
	build_image(&build, &edit.file);
	one_edit_store(&edit, HEADER_BYTES + 36, 4, 100);
	assert_int_equal(one_edit_run(&edit, add_b, 0), QCOW2BM_OK);
	assert_int_equal(edit.inspect.backing_off, HEADER_BYTES + 40 + 100);
	one_edit_free(&edit);
}

/* The plan must say so too: it is what --dry-run prints. */
static void no_room_is_refused(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(0);
	build.before[0] = (struct build_extension){0x71000001u, CLUSTER_BYTES - 152};
	build_image(&build, &edit.file);
	assert_int_equal(one_edit_run(&edit, add_a, 0), QCOW2BM_EUNSUPPORTED);
	assert_non_null(strstr(edit.err.sentence, "no room"));
	/* That it was planned would show in the numbers: it is refused before. */
	assert_int_equal(edit.plan.write_clusters, 0);
	assert_true(one_edit_is_untouched(&edit));
	one_edit_free(&edit);
}

static void check_refused(struct one_edit *edit, const char *words)
{
	assert_int_equal(one_edit_run(edit, add_a, 0), QCOW2BM_EUNSUPPORTED);
	assert_non_null(strstr(edit->err.sentence, words));
	assert_true(one_edit_is_untouched(edit));
	one_edit_free(edit);
}

/* Not behind the extensions, not beside the old name, not beyond libvirt's reach. */
static void no_room_for_a_copy_of_the_name_is_refused(void **state)
{
	(void)state;
	static char name[461];
	struct one_edit edit = {0};
	struct build build = small(0);
	build.before[0] = (struct build_extension){0x71000001u, 984 - 8 - HEADER_BYTES};
	build.backing_name = "b.qcow2";
	build_image(&build, &edit.file);
	check_refused(&edit, "the header cluster");
	/* 63 bytes would be left behind the copy; with a name of 416 there are 64 or more. */
	memset(&edit, 0, sizeof(edit));
	build = small(0);
	memset(name, 'n', 417);
	build.backing_name = name;
	build_image(&build, &edit.file);
	check_refused(&edit, "(417 bytes) would have to move to byte 544");
	memset(&edit, 0, sizeof(edit));
	name[416] = '\0';
	build_image(&build, &edit.file);
	run(&edit, add_a, 1);
	check_name(&edit, name, HEADER_BYTES + 8 + 416);
	one_edit_free(&edit);
	memset(&edit, 0, sizeof(edit));
	build = small(0);
	build.cluster_bits = 16;
	build.before[0] =
		(struct build_extension){0x71000001u, LIBVIRT_BYTES - 100 - HEADER_BYTES};
	build.backing_name = NAME;
	build_image(&build, &edit.file);
	check_refused(&edit, "where libvirt looks for it");
}

/* The backing file name ends the extensions as well. */
static void extensions_without_an_end_marker_are_left_alone(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(0);
	build.before[0] = (struct build_extension){0x71000001u, 16};
	build.backing_name = NAME;
	build_image(&build, &edit.file);
	uint64_t end = HEADER_BYTES + 24;
	memcpy(edit.file.bytes + end, NAME, sizeof(NAME));
	one_edit_store(&edit, 8, 8, end);
	check_refused(&edit, "no end marker");
}

static void unknown_autoclear_bits_are_cleared_first(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct build build = small(1);
	build.autoclear = (uint64_t)1 << 40;
	build_image(&build, &edit.file);
	run(&edit, add_b, 2);
	assert_int_equal(edit.inspect.autoclear, 1);
	assert_int_equal(edit.log.ops[0].kind, RECORD_WRITE);
	assert_int_equal(edit.log.ops[0].off, 88);
	assert_int_equal(edit.log.ops[1].kind, RECORD_SYNC);
	one_edit_free(&edit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_place),
		cmocka_unit_test(relocated_where_the_payload_crosses_a_sector),
		cmocka_unit_test(first_over_the_end_marker),
		cmocka_unit_test(first_behind_padding_where_a_sector_ends),
		cmocka_unit_test(last_ends_the_extensions),
		cmocka_unit_test(first_and_last_behind_the_sector_of_the_header),
		cmocka_unit_test(first_leaves_padding_that_crosses_a_sector),
		cmocka_unit_test(last_leaves_padding_before_others_and_first_takes_it),
		cmocka_unit_test(backing_name_moves_out_of_the_way),
		cmocka_unit_test(long_backing_name_moves_behind_its_old_place),
		cmocka_unit_test(backing_name_with_room_before_it_stays),
		cmocka_unit_test(backing_name_at_the_end_moves_back),
		cmocka_unit_test(backing_name_with_room_behind_it_stays),
		cmocka_unit_test(backing_name_stays_behind_the_end_markers_data),
		cmocka_unit_test(no_room_is_refused),
		cmocka_unit_test(no_room_for_a_copy_of_the_name_is_refused),
		cmocka_unit_test(extensions_without_an_end_marker_are_left_alone),
		cmocka_unit_test(unknown_autoclear_bits_are_cleared_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
