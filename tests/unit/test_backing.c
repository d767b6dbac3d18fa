/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the backing file's name is moved to, commits that were stopped after it had moved, and the
 * next commit of the same image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "../support/fault_storage.h"
#include "../support/one_edit.h"
#include "image/backing.h"
#include "image/image.h"
#include "../support/copies.h"

#define NAME "base.qcow2"
#define NAME_OFF (112 + 8) /* where it is at first; a moved one is behind the extension */
#define MOVED_OFF (112 + 8 + 24 + 8)

struct world {
	struct memory_file file;
	struct record_log log;
	struct fault_plan faults;
	struct qcow2bm_image *image;
	struct qcow2bm_edit *edit;
	struct qcow2bm_result result;
	struct qcow2bm_error err;
	bool stops; /* when the header names the new place */
};

static uint64_t name_off(const struct world *world)
{
	uint64_t off = 0;
	for (size_t i = 8; i < 16; i++)
		off = off << 8 | world->file.bytes[i];
	return off;
}

static bool wants_to_stop(void *opaque)
{
	const struct world *world = opaque;
	return world->stops && name_off(world) == MOVED_OFF;
}

static void begin(struct world *world)
{
	struct build build = {
		.seed = 7,
		.cluster_bits = 9,
		.refcount_order = 4,
		.virtual_bytes = 1 << 20,
		.guest_clusters = 8,
		.backing_name = NAME,
	};
	build_image(&build, &world->file);
	struct q2_storage *storage =
		record_storage_open(memory_storage_open(&world->file), &world->log);
	assert_int_equal(q2_image_open(&world->image,
				       fault_storage_open(storage, &world->faults), NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_begin(&world->edit, world->image, NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_add(world->edit, "a", 1, 9, true, NULL),
			 QCOW2BM_OK);
}

static enum qcow2bm_code commit(struct world *world)
{
	struct qcow2bm_watch watch = QCOW2BM_WATCH_INIT;
	watch.interrupted = wants_to_stop;
	watch.opaque = world;
	return commit_copied(world->edit, NULL, &world->result, &watch, &world->err);
}

static void end(struct world *world)
{
	qcow2bm_edit_end(world->edit);
	qcow2bm_image_close(world->image);
	record_log_free(&world->log);
	memory_file_free(&world->file);
}

/* The name stands where the header says, and nobody moves it once more. */
static void the_next_commit_knows_the_new_place(void **state)
{
	(void)state;
	struct world world = {.stops = true};
	begin(&world);
	assert_int_equal(commit(&world), QCOW2BM_EINTERRUPTED);
	assert_int_equal(name_off(&world), MOVED_OFF);
	world.stops = false;
	assert_int_equal(commit(&world), QCOW2BM_OK);
	assert_int_equal(world.result.syncs, 3);
	assert_int_equal(name_off(&world), MOVED_OFF);
	assert_memory_equal(world.file.bytes + MOVED_OFF, NAME, strlen(NAME));
	end(&world);
}

/* After the write or the sync that moves it has failed nobody knows which place counts. Both hold
 * it, but the image must be opened anew before it is edited. */
static void a_failed_move_leaves_the_image_to_be_opened_anew(void **state)
{
	(void)state;
	for (unsigned kind = FAULT_WRITE; kind <= FAULT_SYNC; kind *= 2) {
		bool was_seen = false;
		for (size_t at = 1; !was_seen; at++) {
			struct world world = {0};
			begin(&world);
			world.faults = (struct fault_plan){
				.kinds = kind, .at = at, .sys_errno = EIO};
			size_t before = world.log.count;
			if (commit(&world) == QCOW2BM_OK)
				fail_msg("no fault hits the move");
			/* The copy is there, the old name too, and nothing but them was written. */
			was_seen = memcmp(world.file.bytes + MOVED_OFF, NAME, 10) == 0 &&
				   world.log.count > before &&
				   (kind == FAULT_WRITE || name_off(&world) == MOVED_OFF);
			if (was_seen) {
				assert_memory_equal(world.file.bytes + NAME_OFF, NAME,
						    strlen(NAME));
				world.err = (struct qcow2bm_error){0};
				assert_int_equal(commit(&world), QCOW2BM_EINVAL);
				assert_non_null(
					strstr(world.err.sentence, "open it again"));
			}
			end(&world);
		}
	}
}

/* A header cluster of 512 bytes, its end marker at byte 440: what is planned for a name of 24 bytes
 * at byte `name`, when the extensions are to end at byte `end`. */
static uint64_t plan_move(uint64_t name, uint64_t end, bool has_end_marker)
{
	uint8_t head[512] = {0};
	uint64_t off = 1;
	const struct qcow2bm_image image = {
		.header = {.cluster_bits = 9,
			   .backing_file_off = name,
			   .backing_file_bytes = 24},
		.head = head,
		.head_bytes = sizeof(head),
		.end_marker_off = 440,
		.has_end_marker = has_end_marker,
	};
	assert_int_equal(q2_backing_plan(&image, end, &off, NULL), QCOW2BM_OK);
	return off;
}

/* With no room behind it a name is moved to where it has some, or stays. */
static void a_name_that_is_not_in_the_way(void **state)
{
	(void)state;
	assert_int_equal(plan_move(472, 0, true), 0); /* 16 bytes behind it are enough */
	assert_int_equal(plan_move(480, 0, true), 448);
	assert_int_equal(plan_move(480, 0, false), 0);
	assert_int_equal(plan_move(488, 456, true), 456);
	/* A copy behind the new end would overlap it; the next place is outside the cluster. */
	assert_int_equal(plan_move(480, 480, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_that_is_not_in_the_way),
		cmocka_unit_test(the_next_commit_knows_the_new_place),
		cmocka_unit_test(a_failed_move_leaves_the_image_to_be_opened_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
