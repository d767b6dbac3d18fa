/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two and three images are edited together. The program is killed, and the power is cut, at every
 * moment; what the intent file says is done; each image is judged: all are old or all are new, and
 * nothing is lost. Doing that is cut off, too, and begun again. Environment: QCOW2BM_CRASH_ALL=N looks
 * at all states of a moment when there are no more than N, and at N/16 at random where there are more.
 */
#define _POSIX_C_SOURCE 200809L

#include "../support/edit_cases.h"
#include "../support/random.h"
#include "../support/record_storage.h"
#include "../support/strict_reader.h"
#include "edit/intent_file.h"
#include "edit/resume.h"
#include "edit/together.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_IMAGES 3
#define FILES (MAX_IMAGES + 1)
#define INTENT MAX_IMAGES /* the index of the intent file among the files */
#define ANOTHER_TIME \
	1000000 /* what nobody can compare with the time of the intent file */

/* `direction`: where it goes when all that it has is what lasts: forward, back, or either, of each
 * image another one, so that it may be refused. */
struct together_case {
	const char *images[MAX_IMAGES];
	const char *words[MAX_IMAGES];
	const char *first[MAX_IMAGES]; /* what is done to it before, alone */
	enum { FORWARD, BACK, EITHER } direction;
};

static const struct together_case cases[] = {
	{{"small", "small"}, {"delete a", "delete a"}, {NULL}, FORWARD},
	{{"small", "small"}, {"merge b a, delete a", "rename b n"}, {NULL}, FORWARD},
	{{"small", "small", "small"},
	 {"delete b", "rename b z", "merge a b, delete b"},
	 {NULL},
	 FORWARD},
	{{"one-far", "small"},
	 {"delete a", "delete a, delete b, delete c"},
	 {NULL},
	 FORWARD},
	{{"payload-at-504", "payload-at-488"},
	 {"delete a", "disable a"},
	 {NULL},
	 FORWARD},
	{{"device", "device"}, {"merge a b, delete b", "delete a"}, {NULL}, FORWARD},
	{{"none-far", "none", "small"}, {"add n", "add n", "clear a"}, {NULL}, BACK},
	{{"none-backing", "none-far-junk"}, {"add n", "add n, add m"}, {NULL}, BACK},
	{{"small", "small"},
	 {"merge b a, delete a", "add n, merge-from n a"},
	 {NULL},
	 EITHER},
	/* The last bitmap, whose extension is not in the header's sector, comes back. */
	{{"one-far", "small"}, {"delete a", "add n"}, {"disable a"}, BACK},
};

struct world {
	const struct together_case *edited;
	size_t count;
	struct memory_file files[FILES];
	struct record_log logs[FILES];
	struct memory_file before_files[MAX_IMAGES];
	struct strict_image before[MAX_IMAGES], after[MAX_IMAGES];
	uint64_t clock, created_at, removed_at;
	struct random random;
	unsigned judged, refused, finished, taken_back, not_begun;
};

/* ---- The edit, recorded ----------------------------------------------------------------- */

static enum qcow2bm_code create(void *opaque, struct q2_storage **file,
				struct qcow2bm_error *err)
{
	struct world *world = opaque;
	(void)err;
	world->created_at = world->clock++;
	*file = record_storage_open(memory_storage_open(&world->files[INTENT]),
				    &world->logs[INTENT]);
	return QCOW2BM_OK;
}

static enum qcow2bm_code discard(void *opaque, struct qcow2bm_error *err)
{
	struct world *world = opaque;
	(void)err;
	world->removed_at = world->clock++;
	return QCOW2BM_OK;
}

static enum qcow2bm_code resolve(void *opaque, const char *filename, char **path,
				 struct qcow2bm_error *err)
{
	(void)opaque;
	(void)err;
	*path = strdup(filename);
	return QCOW2BM_OK;
}

static struct q2_storage *open_file(const struct world *world, size_t i,
				    struct memory_file *file)
{
	return edit_case_storage(world->edited->images[i], file);
}

static void commit(struct world *world)
{
	static const char *const names[MAX_IMAGES] = {"/d/a", "/d/b", "/d/c"};
	struct qcow2bm_image *images[MAX_IMAGES];
	struct qcow2bm_together_edit edits[MAX_IMAGES];
	struct q2_intent_place place = {"/d/.a.qcow2bm-intent", world, create, discard,
					resolve};
	struct qcow2bm_error err = {0};
	for (size_t i = 0; i < world->count; i++)
		assert_int_equal(
			q2_image_open(
				&images[i],
				record_storage_open(open_file(world, i, &world->files[i]),
						    &world->logs[i]),
				NULL),
			QCOW2BM_OK);
	for (size_t i = 0; i < world->count; i++) {
		edits[i].filename = names[i];
		assert_int_equal(qcow2bm_edit_begin(&edits[i].edit, images[i], NULL),
				 QCOW2BM_OK);
		if (edit_case_stage(edits[i].edit, images[0], world->edited->words[i],
				    &err) != QCOW2BM_OK)
			fail_msg("%s", err.sentence);
	}
	struct q2_together together = {
		.edits = edits, .count = world->count, .place = &place};
	if (q2_together_commit(&together, &err) != QCOW2BM_OK)
		fail_msg("%s", err.sentence);
	for (size_t i = 0; i < world->count; i++) {
		qcow2bm_edit_end(edits[i].edit);
		qcow2bm_image_close(images[i]);
	}
}

static void open_world(struct world *world, const struct together_case *edited)
{
	memset(world, 0, sizeof(*world));
	world->edited = edited;
	random_seed(&world->random, 7);
	for (size_t i = 0; i < FILES; i++)
		world->logs[i].clock = &world->clock;
	while (world->count < MAX_IMAGES && edited->images[world->count] != NULL) {
		size_t i = world->count++;
		assert_true(edit_case_image(edited->images[i], &world->files[i]));
		struct qcow2bm_result result;
		if (edited->first[i] != NULL)
			assert_int_equal(
				edit_case_run(open_file(world, i, &world->files[i]),
					      edited->first[i], NULL, &result, NULL),
				QCOW2BM_OK);
		memory_file_fill(&world->before_files[i], world->files[i].bytes,
				 world->files[i].length);
		assert_true(strict_read(&world->before[i], world->before_files[i].bytes,
					world->before_files[i].length));
	}
	commit(world);
	for (size_t i = 0; i < world->count; i++)
		assert_true(strict_read(&world->after[i], world->files[i].bytes,
					world->files[i].length));
}

static void close_world(struct world *world)
{
	for (size_t i = 0; i < world->count; i++) {
		strict_free(&world->before[i]);
		strict_free(&world->after[i]);
		memory_file_free(&world->before_files[i]);
	}
	for (size_t i = 0; i < FILES; i++) {
		memory_file_free(&world->files[i]);
		record_log_free(&world->logs[i]);
	}
}

/* ---- What a crash leaves ------------------------------------------------------------------ */

/* After the first `moment` operations on any of the files. */
static size_t prefix_of(const struct record_log *log, uint64_t moment)
{
	size_t prefix = 0;
	while (prefix < log->count && log->ops[prefix].at < moment)
		prefix++;
	return prefix;
}

static void set_time(const struct record_log *log, size_t prefix,
		     struct memory_file *file)
{
	file->writes = 0;
	for (size_t i = 0; i < prefix; i++)
		file->writes += log->ops[i].kind == RECORD_WRITE ||
				log->ops[i].kind == RECORD_RESIZE;
}

static void kill_at(const struct record_log *logs, uint64_t moment,
		    struct memory_file *files)
{
	for (size_t i = 0; i < FILES; i++) {
		size_t prefix = prefix_of(&logs[i], moment);
		record_log_replay(&logs[i], prefix, &files[i]);
		set_time(&logs[i], prefix, &files[i]);
	}
}

static size_t count_pieces(const struct record_log *logs, uint64_t moment)
{
	size_t pieces = 0;
	for (size_t i = 0; i < FILES; i++)
		pieces += record_log_pieces(&logs[i], prefix_of(&logs[i], moment),
					    RECORD_SECTOR_BYTES);
	return pieces;
}

/* What survives is told by the bits of `subset`, or, where there are more pieces, drawn. */
static void cut_at(const struct record_log *logs, uint64_t moment, uint64_t subset,
		   struct random *random, struct memory_file *files)
{
	size_t first = 0;
	for (size_t i = 0; i < FILES; i++) {
		size_t prefix = prefix_of(&logs[i], moment);
		size_t pieces = record_log_pieces(&logs[i], prefix, RECORD_SECTOR_BYTES);
		bool *survives = calloc(pieces + 1, sizeof(*survives));
		assert_non_null(survives);
		for (size_t k = 0; k < pieces; k++, first++)
			survives[k] = random == NULL ? subset >> first & 1
						     : random_below(random, 2) != 0;
		record_log_cut(&logs[i], prefix, RECORD_SECTOR_BYTES, survives,
			       &files[i]);
		files[i].writes = ANOTHER_TIME;
		free(survives);
	}
}

/* ---- Resume ------------------------------------------------------------------------------- */

enum resumed { NOT_BEGUN, FINISHED, TAKEN_BACK, REFUSED };

/* With logs (NULL allowed), what it does is recorded. */
static enum resumed resume(const struct world *world, struct memory_file *files,
			   struct record_log *logs, struct qcow2bm_error *err)
{
	struct q2_storage *storages[MAX_IMAGES];
	struct q2_storage *file = memory_storage_open(&files[INTENT]);
	struct q2_intent intent;
	struct q2_resume resuming;
	enum qcow2bm_resume_outcome outcome;
	bool is_whole;
	if (q2_intent_load(&intent, file, &is_whole, err) != QCOW2BM_OK)
		fail_msg("%s", err->sentence);
	q2_storage_close(file);
	if (!is_whole)
		return NOT_BEGUN;
	assert_int_equal(intent.count, world->count);
	for (size_t i = 0; i < world->count; i++) {
		storages[i] = open_file(world, i, &files[i]);
		if (logs != NULL)
			storages[i] = record_storage_open(storages[i], &logs[i]);
	}
	if (q2_resume_open(&resuming, &intent, storages, NULL, err) != QCOW2BM_OK)
		fail_msg("%s", err->sentence);
	enum qcow2bm_code code = q2_resume_decide(&resuming, &outcome, err);
	assert_true(code == QCOW2BM_OK || code == QCOW2BM_EINVAL);
	if (code == QCOW2BM_OK && q2_resume_do(&resuming, outcome, err) != QCOW2BM_OK)
		fail_msg("%s", err->sentence);
	q2_resume_close(&resuming);
	q2_intent_free(&intent);
	if (code != QCOW2BM_OK)
		return REFUSED;
	return outcome == QCOW2BM_RESUME_FINISHED ? FINISHED : TAKEN_BACK;
}

/* ---- The judge ------------------------------------------------------------------------------ */

static bool is_like(const struct strict_image *now, const struct strict_image *known)
{
	return strict_same_bitmaps(now, known) && now->guest_sum == known->guest_sum &&
	       now->header_sum == known->header_sum;
}

/* How many of the images are new; each of the others is old. */
static size_t count_new(const struct world *world, const struct memory_file *files,
			const char *when)
{
	size_t count = 0;
	for (size_t i = 0; i < world->count; i++) {
		struct strict_image now;
		if (!strict_read(&now, files[i].bytes, files[i].length))
			fail_msg("%s: image %zu: %s", when, i, now.problem);
		bool is_new = is_like(&now, &world->after[i]);
		if (!is_new && !is_like(&now, &world->before[i]))
			fail_msg("%s: image %zu is neither old nor new", when, i);
		count += is_new;
		strict_free(&now);
	}
	return count;
}

static void expect(const struct world *world, const struct memory_file *files,
		   enum resumed resumed, const char *when)
{
	size_t count = count_new(world, files, when);
	if (resumed == REFUSED)
		return;
	if (count != (resumed == FINISHED ? world->count : 0))
		fail_msg("%s: of %zu images %zu are new", when, world->count, count);
}

static void tally(struct world *world, enum resumed resumed)
{
	world->judged++;
	world->refused += resumed == REFUSED;
	world->finished += resumed == FINISHED;
	world->taken_back += resumed == TAKEN_BACK;
	world->not_begun += resumed == NOT_BEGUN;
}

static void copy_files(struct memory_file *to, const struct memory_file *from)
{
	for (size_t i = 0; i < FILES; i++) {
		memory_file_fill(&to[i], from[i].bytes, from[i].length);
		to[i].writes = from[i].writes;
	}
}

static void free_files(struct memory_file *files)
{
	for (size_t i = 0; i < FILES; i++)
		memory_file_free(&files[i]);
}

/* A resume that is itself cut off at a moment of its own. */
static void interrupt(struct world *world, const struct record_log *logs, uint64_t end,
		      const char *when)
{
	uint64_t moment = random_below(&world->random, end + 1);
	struct memory_file files[FILES] = {{0}};
	struct qcow2bm_error err = {0};
	if (random_percent(&world->random, 50))
		kill_at(logs, moment, files);
	else
		cut_at(logs, moment, 0, &world->random, files);
	for (size_t i = 0; i < FILES; i++)
		files[i].writes += ANOTHER_TIME;
	enum resumed resumed = resume(world, files, NULL, &err);
	if (resumed == REFUSED && world->edited->direction != EITHER)
		fail_msg("%s, and again: %s", when, err.sentence);
	expect(world, files, resumed, when);
	tally(world, resumed);
	free_files(files);
}

/* Once it is done the file is gone. */
static void cut_afterwards(struct world *world, const struct record_log *logs,
			   uint64_t end, enum resumed resumed, const char *when)
{
	struct memory_file files[FILES] = {{0}};
	cut_at(logs, end, 0, &world->random, files);
	expect(world, files, resumed, when);
	free_files(files);
}

static void judge(struct world *world, uint64_t moment, struct memory_file *files,
		  bool is_killed, const char *when)
{
	struct record_log logs[FILES];
	struct memory_file again[FILES] = {{0}};
	struct qcow2bm_error err = {0};
	uint64_t clock = 0;
	memset(logs, 0, sizeof(logs));
	for (size_t i = 0; i < FILES; i++)
		logs[i].clock = &clock;
	if (moment <= world->created_at || moment > world->removed_at) {
		expect(world, files, moment > world->removed_at ? FINISHED : NOT_BEGUN,
		       when);
		world->judged++;
		return;
	}
	copy_files(again, files);
	enum resumed resumed = resume(world, files, logs, &err);
	if (resumed == REFUSED && (is_killed || world->edited->direction != EITHER))
		fail_msg("%s: %s", when, err.sentence);
	expect(world, files, resumed, when);
	tally(world, resumed);
	if (resumed == FINISHED || resumed == TAKEN_BACK) {
		memory_file_fill(&logs[INTENT].before, again[INTENT].bytes,
				 again[INTENT].length);
		interrupt(world, logs, clock, when);
		cut_afterwards(world, logs, clock, resumed, when);
		/* Once more it does no harm. */
		files[0].writes = ANOTHER_TIME;
		assert_int_equal(resume(world, files, NULL, &err), resumed);
		expect(world, files, resumed, when);
	}
	free_files(again);
	for (size_t i = 0; i < FILES; i++)
		record_log_free(&logs[i]);
}

static void judge_cuts(struct world *world, uint64_t moment, uint64_t limit)
{
	size_t pieces = count_pieces(world->logs, moment);
	bool all = pieces < 32 && (uint64_t)1 << pieces <= limit;
	uint64_t count = all ? (uint64_t)1 << pieces : limit / 16;
	for (uint64_t subset = 0; subset < count; subset++) {
		struct memory_file files[FILES] = {{0}};
		char when[64];
		snprintf(when, sizeof(when), "moment %" PRIu64 ", cut %" PRIu64, moment,
			 subset);
		cut_at(world->logs, moment, subset, all ? NULL : &world->random, files);
		judge(world, moment, files, false, when);
		free_files(files);
	}
}

static void all_are_old_or_new(void **state)
{
	(void)state;
	const char *asked = getenv("QCOW2BM_CRASH_ALL");
	uint64_t limit = asked == NULL ? 64 : strtoull(asked, NULL, 10);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct world world;
		open_world(&world, &cases[i]);
		for (uint64_t moment = 0; moment <= world.clock; moment++) {
			struct memory_file files[FILES] = {{0}};
			char when[64];
			snprintf(when, sizeof(when), "moment %" PRIu64 ", kill", moment);
			kill_at(world.logs, moment, files);
			judge(&world, moment, files, true, when);
			free_files(files);
			judge_cuts(&world, moment, limit);
		}
		printf("%s | %s: %" PRIu64 " moments, %u states: not begun %u, finished "
		       "%u, taken back %u, refused %u\n",
		       cases[i].words[0], cases[i].words[1], world.clock + 1,
		       world.judged, world.not_begun, world.finished, world.taken_back,
		       world.refused);
		assert_true(world.not_begun != 0 && world.finished != 0);
		assert_true(cases[i].direction == FORWARD || world.taken_back != 0);
		close_world(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_old_or_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
