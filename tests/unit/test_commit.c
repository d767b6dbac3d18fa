/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a commit does when its caller wants to stop, or a write or sync fails: nothing becomes
 * visible after that, nothing is left behind, and no hole is punched too early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "../support/fault_storage.h"
#include "../support/one_edit.h"
#include "image/image.h"
#include "../support/copies.h"

#define CLUSTER_BITS 12
#define CLUSTER_BYTES (1u << CLUSTER_BITS)
#define BITS (8 * 8 * CLUSTER_BYTES + 100) /* more clusters than are free in the file */

struct world {
	struct memory_file file, before;
	struct record_log log;
	struct fault_plan faults;
	struct qcow2bm_commit_options options;
	struct qcow2bm_result result;
	struct qcow2bm_error err;
	uint64_t near_off; /* the end marker of the extensions before the edit */
	/* When the caller wants to stop. */
	enum { NEVER, AT_LOOK, AFTER_SYNC, AFTER_NEAR } when;
	unsigned looks;
	unsigned look;   /* the one that says so */
	bool fails_then; /* and the next write fails */
};

/* The extensions end behind the header's sector, so the end marker is a write of its own. */
static void build(struct world *world, unsigned bitmaps)
{
	static uint8_t bits_of_a[BITS], bits_of_b[BITS];
	static const struct build_bitmap all[] = {
		{.name = "a", .name_bytes = 1, .granularity_bits = 9, .bits = bits_of_a},
		{.name = "b", .name_bytes = 1, .granularity_bits = 9, .bits = bits_of_b},
	};
	const struct build description = {
		.seed = 23,
		.cluster_bits = CLUSTER_BITS,
		.refcount_order = 4,
		.virtual_bytes = (uint64_t)BITS << 9,
		.guest_clusters = 8,
		.before = {{0x71000001u, 500}},
		.bitmaps = all,
		.bitmap_count = bitmaps,
	};
	for (uint64_t i = 0; i < BITS; i++) {
		bits_of_a[i] = i % 3 == 0;
		bits_of_b[i] = i % 5 == 0;
	}
	memset(world, 0, sizeof(*world));
	build_image(&description, &world->file);
	memory_file_fill(&world->before, world->file.bytes, world->file.length);
	world->near_off = 112 + 8 + 504;
}

static void end(struct world *world)
{
	record_log_free(&world->log);
	memory_file_free(&world->file);
	memory_file_free(&world->before);
}

static size_t count_ops(const struct world *world, enum record_kind kind)
{
	size_t count = 0;
	for (size_t i = 0; i < world->log.count; i++)
		count += world->log.ops[i].kind == kind;
	return count;
}

static bool is_near_written(const struct world *world)
{
	for (size_t i = 0; i < world->log.count; i++)
		if (world->log.ops[i].kind == RECORD_WRITE &&
		    world->log.ops[i].off == world->near_off)
			return true;
	return false;
}

static bool wants_to_stop(void *opaque)
{
	struct world *world = opaque;
	world->looks++;
	bool wants = (world->when == AT_LOOK && world->looks == world->look) ||
		     (world->when == AFTER_SYNC && count_ops(world, RECORD_SYNC) != 0) ||
		     (world->when == AFTER_NEAR && is_near_written(world));
	if (wants && world->fails_then)
		world->faults = (struct fault_plan){
			.kinds = FAULT_WRITE, .at = 1, .sys_errno = EIO};
	return wants;
}

static enum qcow2bm_code run(struct world *world, stage_fn *stage)
{
	struct qcow2bm_image *image;
	struct qcow2bm_edit *edit;
	world->options.size = sizeof(world->options);
	struct q2_storage *storage =
		record_storage_open(memory_storage_open(&world->file), &world->log);
	struct qcow2bm_watch watch = QCOW2BM_WATCH_INIT;
	watch.interrupted = wants_to_stop;
	watch.opaque = world;
	assert_int_equal(
		q2_image_open(&image, fault_storage_open(storage, &world->faults), NULL),
		QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_begin(&edit, image, NULL), QCOW2BM_OK);
	assert_int_equal(stage(edit, NULL), QCOW2BM_OK);
	enum qcow2bm_code code =
		commit_copied(edit, &world->options, &world->result, &watch, &world->err);
	qcow2bm_edit_end(edit);
	qcow2bm_image_close(image);
	return code;
}

static bool is_as_before(const struct world *world)
{
	return world->file.length == world->before.length &&
	       memcmp(world->file.bytes, world->before.bytes,
		      (size_t)world->before.length) == 0;
}

static enum qcow2bm_code add_c(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_add(edit, "c", 1, 9, true, err);
}

static enum qcow2bm_code merge_a_into_b(struct qcow2bm_edit *edit,
					struct qcow2bm_error *err)
{
	return qcow2bm_edit_merge(edit, "b", 1, NULL, "a", 1, err);
}

static enum qcow2bm_code delete_a(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_delete(edit, "a", 1, err);
}

/* ---- The caller wants to stop ---- */

/* What was written in free clusters may stay there, in those inside the file. */
static void check_stopped(struct world *world)
{
	struct inspect before, after;
	assert_int_equal(world->err.code, QCOW2BM_EINTERRUPTED);
	assert_int_equal(world->result.leaked_clusters, 0);
	assert_int_equal(world->file.length, world->before.length);
	assert_true(inspect_load(&before, world->before.bytes, world->before.length));
	assert_true(inspect_load(&after, world->file.bytes, world->file.length));
	assert_int_equal(before.bitmap_count, after.bitmap_count);
	assert_true(inspect_check_refcounts(&after, false, NULL));
	inspect_free(&before);
	inspect_free(&after);
}

static void every_look_can_stop_the_commit(void **state)
{
	(void)state;
	static stage_fn *const stages[] = {add_c, merge_a_into_b, delete_a};
	for (unsigned i = 0; i < 3 * 2; i++) {
		unsigned bitmaps = i < 3 ? 2 : 0, look = 0;
		enum qcow2bm_code code;
		if (bitmaps == 0 && stages[i % 3] != add_c)
			continue;
		do {
			struct world world;
			build(&world, bitmaps);
			world.when = AT_LOOK;
			world.look = ++look;
			code = run(&world, stages[i % 3]);
			if (code != QCOW2BM_OK)
				check_stopped(&world);
			else
				assert_true(world.looks < look);
			end(&world);
		} while (code != QCOW2BM_OK);
		/* At the start, before the end marker and before the switch. */
		assert_true(look > 3);
	}
}

static void before_the_end_marker_is_written_it_can_stop(void **state)
{
	(void)state;
	struct world world;
	build(&world, 0);
	world.when = AFTER_SYNC;
	assert_int_equal(run(&world, add_c), QCOW2BM_EINTERRUPTED);
	check_stopped(&world);
	assert_false(is_near_written(&world));
	end(&world);
}

static void after_the_end_marker_is_written_it_is_put_back(void **state)
{
	(void)state;
	struct world world;
	build(&world, 0);
	world.when = AFTER_NEAR;
	assert_int_equal(run(&world, add_c), QCOW2BM_EINTERRUPTED);
	check_stopped(&world);
	assert_true(is_near_written(&world));
	assert_memory_equal(world.file.bytes + world.near_off,
			    world.before.bytes + world.near_off, 8);
	end(&world);
}

/* ---- Something fails ---- */

/* Calls fn for the commit with each of its writes and syncs failing, once. */
static void fail_each(stage_fn *stage, unsigned kinds, void (*fn)(struct world *world))
{
	size_t at = 0, failures;
	do {
		struct world world;
		build(&world, 2);
		world.faults =
			(struct fault_plan){.kinds = kinds, .at = ++at, .sys_errno = EIO};
		enum qcow2bm_code code = run(&world, stage);
		failures = world.faults.failures;
		assert_int_equal(world.result.switched, code == QCOW2BM_OK);
		if (failures != 0)
			fn(&world);
		end(&world);
	} while (failures != 0);
	assert_true(at > 3);
}

/* What is leaked stays as it is: should its refcount reach the disk after all, a hole would be
 * punched into what may be the guest's by then. */
static void check_holes(struct world *world)
{
	if (world->result.leaked_clusters != 0)
		assert_int_equal(count_ops(world, RECORD_DISCARD), 0);
}

static void no_hole_is_punched_into_what_is_leaked(void **state)
{
	(void)state;
	fail_each(delete_a, FAULT_WRITE, check_holes);
	fail_each(delete_a, FAULT_SYNC, check_holes);
}

/* The file is no longer than it was, and that is on the disk, unless the new state is in it. */
static void check_taken_back(struct world *world)
{
	if (world->result.switched)
		return;
	assert_int_equal(world->file.length, world->before.length);
	assert_true(world->log.count == 0 || world->result.leaked_clusters != 0 ||
		    world->log.ops[world->log.count - 1].kind == RECORD_SYNC);
}

static void a_failed_commit_leaves_the_file_as_long_as_it_was(void **state)
{
	(void)state;
	fail_each(merge_a_into_b, FAULT_WRITE, check_taken_back);
}

/* The directory that the header may name stays counted, and is told as leaked. */
static void the_reserve_stays_when_the_end_marker_cannot_be_put_back(void **state)
{
	(void)state;
	struct world world;
	build(&world, 0);
	world.when = AFTER_NEAR;
	world.fails_then = true;
	assert_int_equal(run(&world, add_c), QCOW2BM_EINTERRUPTED);
	assert_int_equal(world.faults.failures, 1);
	assert_int_equal(world.result.leaked_clusters, 2); /* directory and table */
	size_t last = world.log.count;
	while (world.log.ops[--last].kind != RECORD_WRITE)
		;
	assert_int_equal(world.log.ops[last].off, world.near_off);
	end(&world);
}

/* ---- Wishes ---- */

static void holes_are_punched_unless_the_caller_forbids_it(void **state)
{
	(void)state;
	for (unsigned forbids = 0; forbids < 2; forbids++) {
		struct world world;
		build(&world, 2);
		world.options.flags = forbids ? QCOW2BM_COMMIT_NO_DISCARD : 0;
		assert_int_equal(run(&world, delete_a), QCOW2BM_OK);
		assert_int_equal(count_ops(&world, RECORD_DISCARD) == 0, forbids);
		assert_true(world.result.released_clusters > 0);
		assert_false(is_as_before(&world));
		end(&world);
	}
}

/* Old bytes of the disk, or of the program, do not get into the image. */
static void the_rest_of_the_directory_is_zero(void **state)
{
	(void)state;
	struct world world;
	struct inspect inspect;
	build(&world, 2);
	assert_int_equal(run(&world, add_c), QCOW2BM_OK);
	assert_true(inspect_load(&inspect, world.file.bytes, world.file.length));
	uint64_t bytes = inspect_number(&inspect, inspect.payload_off + 8, 8);
	uint64_t off = inspect_number(&inspect, inspect.payload_off + 16, 8);
	assert_in_range(bytes, 1, CLUSTER_BYTES - 1);
	for (uint64_t i = bytes; i < CLUSTER_BYTES; i++)
		assert_int_equal(world.file.bytes[off + i], 0);
	inspect_free(&inspect);
	end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_look_can_stop_the_commit),
		cmocka_unit_test(before_the_end_marker_is_written_it_can_stop),
		cmocka_unit_test(after_the_end_marker_is_written_it_is_put_back),
		cmocka_unit_test(no_hole_is_punched_into_what_is_leaked),
		cmocka_unit_test(a_failed_commit_leaves_the_file_as_long_as_it_was),
		cmocka_unit_test(
			the_reserve_stays_when_the_end_marker_cannot_be_put_back),
		cmocka_unit_test(holes_are_punched_unless_the_caller_forbids_it),
		cmocka_unit_test(the_rest_of_the_directory_is_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
