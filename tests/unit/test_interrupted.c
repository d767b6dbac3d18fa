/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every long call asks its watch before it reads, stops when it is told to, and leaves everything
 * so that the same call can be made again. */
#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/one_edit.h"
#include "base/options.h"
#include "image/image.h"
#include "../support/copies.h"

struct world {
	struct one_edit
		file; /* of the bitmaps a, b, which is in-use, and c, which was deleted */
	struct qcow2bm_image *image;
	struct qcow2bm_edit *edit;
	struct qcow2bm_report *report;
	bool is_staged;
	uint64_t carved_off; /* of c's old directory */
	uint32_t carved_idx;
};

struct caller {
	bool stop;
	unsigned asked;
};

static bool interrupted(void *opaque)
{
	struct caller *caller = opaque;
	caller->asked++;
	return caller->stop;
}

static enum qcow2bm_code delete_c(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	return qcow2bm_edit_delete(edit, "c", 1, err);
}

static void build(struct world *world)
{
	static const uint8_t bits[256] = {[3] = 1, [7] = 1};
	struct build_bitmap bitmaps[3];
	for (size_t i = 0; i < 3; i++)
		bitmaps[i] = (struct build_bitmap){
			.name = &"abc"[i],
			.name_bytes = 1,
			.flags = i == 1 ? BUILD_FLAG_IN_USE | BUILD_FLAG_AUTO : 0,
			.granularity_bits = 12,
			.bits = bits,
		};
	const struct build build = {
		.seed = 1,
		.cluster_bits = 12,
		.refcount_order = 4,
		.virtual_bytes = 256 << 12,
		.guest_clusters = 20,
		.bitmaps = bitmaps,
		.bitmap_count = 3,
	};
	*world = (struct world){.carved_off = QCOW2BM_NO_OFFSET};
	build_image(&build, &world->file.file);
	assert_int_equal(one_edit_run(&world->file, delete_c, QCOW2BM_COMMIT_NO_DISCARD),
			 QCOW2BM_OK);
}

static void open_again(struct world *world, bool is_damaged)
{
	struct q2_storage *storage = memory_storage_open(&world->file.file);
	qcow2bm_report_free(world->report);
	qcow2bm_edit_end(world->edit);
	qcow2bm_image_close(world->image);
	assert_int_equal(is_damaged ? q2_image_open_damaged(&world->image, storage, NULL)
				    : q2_image_open(&world->image, storage, NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_begin(&world->edit, world->image, NULL),
			 QCOW2BM_OK);
	assert_int_equal(
		qcow2bm_image_check(world->image, NULL, &world->report, NULL, NULL),
		QCOW2BM_OK);
}

static void forget(struct world *world)
{
	qcow2bm_report_free(world->report);
	qcow2bm_edit_end(world->edit);
	qcow2bm_image_close(world->image);
	one_edit_free(&world->file);
}

/* ---- The calls --------------------------------------------------------------------------- */

typedef enum qcow2bm_code call_fn(struct world *world, const struct qcow2bm_watch *watch,
				  struct qcow2bm_error *err);

static enum qcow2bm_code count_dirty(struct world *world,
				     const struct qcow2bm_watch *watch,
				     struct qcow2bm_error *err)
{
	uint64_t dirty_bytes = 0;
	enum qcow2bm_code code = qcow2bm_bitmap_dirty_bytes(world->image, 0, 0, 4 << 12,
							    0, &dirty_bytes, watch, err);
	assert_true(code != QCOW2BM_OK || dirty_bytes == 1 << 12);
	return code;
}

static enum qcow2bm_code judge(struct world *world, const struct qcow2bm_watch *watch,
			       struct qcow2bm_error *err)
{
	return qcow2bm_bitmap_judge(world->image, QCOW2BM_NOT_FOUND, watch, err);
}

static enum qcow2bm_code judge_bits(struct world *world,
				    const struct qcow2bm_watch *watch,
				    struct qcow2bm_error *err)
{
	return qcow2bm_bitmap_judge(world->image, 0, watch, err);
}

static enum qcow2bm_code measure(struct world *world, const struct qcow2bm_watch *watch,
				 struct qcow2bm_error *err)
{
	struct qcow2bm_measure measure;
	enum qcow2bm_code code =
		measure_copied(world->image, 0, QCOW2BM_READ_COUNT, &measure, watch, err);
	assert_true(code != QCOW2BM_OK || measure.dirty_bytes == 2 << 12);
	return code;
}

static int take_extent(void *opaque, const struct qcow2bm_extent *extent)
{
	*(uint64_t *)opaque += extent->dirty ? extent->length : 0;
	return 0;
}

static enum qcow2bm_code extents(struct world *world, const struct qcow2bm_watch *watch,
				 struct qcow2bm_error *err)
{
	uint64_t dirty = 0;
	enum qcow2bm_code code = qcow2bm_bitmap_extents(world->image, 0, 0, UINT64_MAX, 0,
							take_extent, &dirty, watch, err);
	assert_int_equal(dirty, code == QCOW2BM_OK ? 2 << 12 : 0);
	return code;
}

static int take_metadata(void *opaque, uint64_t off, const void *bytes, size_t count)
{
	(void)opaque, (void)off, (void)bytes, (void)count;
	return 0;
}

static enum qcow2bm_code metadata(struct world *world, const struct qcow2bm_watch *watch,
				  struct qcow2bm_error *err)
{
	return qcow2bm_image_metadata(world->image, take_metadata, NULL, watch, err);
}

static enum qcow2bm_code check(struct world *world, const struct qcow2bm_watch *watch,
			       struct qcow2bm_error *err)
{
	struct qcow2bm_report *report = NULL;
	enum qcow2bm_code code =
		qcow2bm_image_check(world->image, NULL, &report, watch, err);
	assert_int_equal(report != NULL, code == QCOW2BM_OK);
	qcow2bm_report_free(report);
	return code;
}

static int take_carved(void *opaque, const struct qcow2bm_carved *carved)
{
	struct world *world = opaque;
	if (carved->name[0] != 'c')
		return 0;
	world->carved_off = carved->directory_offset;
	world->carved_idx = carved->idx;
	return 0;
}

static enum qcow2bm_code carve(struct world *world, const struct qcow2bm_watch *watch,
			       struct qcow2bm_error *err)
{
	return qcow2bm_image_carve(world->image, world->report, take_carved, world, watch,
				   err);
}

static enum qcow2bm_code recover_carved(struct world *world,
					const struct qcow2bm_watch *watch,
					struct qcow2bm_error *err)
{
	struct qcow2bm_carved_options options = {
		.size = sizeof(struct qcow2bm_carved_options),
		.directory_offset = world->carved_off,
		.idx = world->carved_idx,
		.accept_unsafe = true,
	};
	return qcow2bm_edit_recover_carved(world->edit, world->report, &options, "d", 1,
					   watch, err);
}

static enum qcow2bm_code recover(struct world *world, const struct qcow2bm_watch *watch,
				 struct qcow2bm_error *err)
{
	struct qcow2bm_recover_options options = {
		.size = sizeof(struct qcow2bm_recover_options),
		.method = QCOW2BM_RECOVER_STORED,
		.accept_unsafe = true};
	return qcow2bm_edit_recover(world->edit, "b", 1, &options, NULL, watch, err);
}

static enum qcow2bm_code plan(struct world *world, const struct qcow2bm_watch *watch,
			      struct qcow2bm_error *err)
{
	const struct qcow2bm_plan *plan;
	world->is_staged |= qcow2bm_edit_delete(world->edit, "a", 1, NULL) == QCOW2BM_OK;
	return qcow2bm_edit_plan(world->edit, 0, &plan, watch, err);
}

static enum qcow2bm_code commit(struct world *world, const struct qcow2bm_watch *watch,
				struct qcow2bm_error *err)
{
	world->is_staged |= qcow2bm_edit_delete(world->edit, "a", 1, NULL) == QCOW2BM_OK;
	return qcow2bm_edit_commit(world->edit, NULL, NULL, watch, err);
}

/* Those that find what they need in memory already need not ask. */
static const struct {
	call_fn *call;
	bool is_damaged;
	const char *sentence;
} calls[] = {
	{judge, false, "interrupted; nothing was changed"},
	{count_dirty, false, "interrupted; nothing was changed"},
	{judge_bits, false, "interrupted; nothing was changed"},
	{measure, false, "interrupted; nothing was changed"},
	{extents, false, "interrupted; nothing was changed"},
	{metadata, true, "interrupted; nothing was changed"},
	{check, true, "interrupted; nothing was changed"},
	{carve, true, "interrupted; nothing was changed"},
	{recover_carved, false, "interrupted; nothing was changed"},
	{recover, false, "interrupted; nothing was changed"},
	{plan, false, "interrupted; the image is as it was"},
	{commit, false, "interrupted; the image is as it was"},
};

static void each_call_stops_and_can_be_made_again(void **state)
{
	(void)state;
	struct world world;
	build(&world);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct caller caller = {.stop = true};
		struct qcow2bm_watch watch = QCOW2BM_WATCH_INIT;
		struct qcow2bm_error err = {0};
		watch.interrupted = interrupted;
		watch.opaque = &caller;
		open_again(&world, calls[i].is_damaged);
		assert_int_equal(calls[i].call(&world, &watch, &err),
				 QCOW2BM_EINTERRUPTED);
		assert_string_equal(err.sentence, calls[i].sentence);
		assert_int_equal(caller.asked, 1);
		assert_null(world.image->storage->watch);
		caller = (struct caller){.stop = false};
		err = (struct qcow2bm_error){0};
		assert_int_equal(calls[i].call(&world, &watch, &err), QCOW2BM_OK);
		assert_true(caller.asked != 0);
		assert_null(world.image->storage->watch);
	}
	forget(&world);
}

static void opening_stops(void **state)
{
	(void)state;
	struct world world;
	char path[] = "/tmp/test_interrupted.XXXXXX";
	struct caller caller = {.stop = true};
	struct qcow2bm_watch watch = QCOW2BM_WATCH_INIT;
	watch.interrupted = interrupted;
	watch.opaque = &caller;
	build(&world);
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, world.file.file.bytes, world.file.file.length),
			 world.file.file.length);
	for (unsigned flags = 0; flags <= QCOW2BM_OPEN_DAMAGED;
	     flags += QCOW2BM_OPEN_DAMAGED) {
		struct qcow2bm_error err = {0};
		assert_int_equal(
			qcow2bm_image_open(&world.image, path, flags, 0, &watch, &err),
			QCOW2BM_EINTERRUPTED);
		assert_string_equal(err.sentence, "interrupted; nothing was changed");
	}
	close(fd);
	unlink(path);
	world.image = NULL;
	forget(&world);
}

/* ---- The size of a struct that the caller fills ------------------------------------------- */

struct grown {
	struct qcow2bm_watch watch;
	void *news;
};

static void a_newer_caller_is_understood_or_refused(void **state)
{
	(void)state;
	struct world world;
	struct qcow2bm_error err = {0};
	struct grown grown = {.watch = {.size = sizeof(grown)}};
	build(&world);
	open_again(&world, false);
	assert_int_equal(judge(&world, &grown.watch, NULL), QCOW2BM_OK);
	grown.news = &grown;
	assert_int_equal(judge(&world, &grown.watch, &err), QCOW2BM_EINVAL);
	assert_non_null(strstr(err.sentence, "does not know"));
	forget(&world);
}

static void an_older_caller_gets_the_defaults(void **state)
{
	(void)state;
	struct {
		size_t size;
		int known, news;
	} ours = {.known = 1, .news = 2}, theirs = {.known = 5, .news = 6};
	theirs.size = sizeof(size_t) + sizeof(int);
	assert_int_equal(q2_options_take(&ours, sizeof(ours), &theirs, "they", NULL),
			 QCOW2BM_OK);
	assert_int_equal(ours.size, sizeof(ours));
	assert_int_equal(ours.known, 5);
	assert_int_equal(ours.news, 2);
}

static void a_size_that_was_forgotten(void **state)
{
	(void)state;
	struct world world;
	struct qcow2bm_error err = {0};
	const struct qcow2bm_watch watch = {.opaque = NULL};
	build(&world);
	open_again(&world, false);
	assert_int_equal(judge(&world, &watch, &err), QCOW2BM_EINVAL);
	assert_string_equal(err.sentence, "the options of a watch of 0 bytes are none: "
					  "they begin with their size");
	forget(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_stops_and_can_be_made_again),
		cmocka_unit_test(opening_stops),
		cmocka_unit_test(a_newer_caller_is_understood_or_refused),
		cmocka_unit_test(an_older_caller_gets_the_defaults),
		cmocka_unit_test(a_size_that_was_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
