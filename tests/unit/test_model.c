/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random edits of random images against a model of their bitmaps. After every edit the image is
 * read anew, by the library and by a reader that shares no code with it; faults and power cuts
 * are among what happens. QCOW2BM_SEED and QCOW2BM_STEPS choose another run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/fault_storage.h"
#include "../support/random_edit.h"
#include "../support/random_image.h"
#include "../support/record_storage.h"
#include "image/image.h"

#define DEFAULT_STEPS 1500
#define EDITS_PER_IMAGE 8

/* One image with the library at work on it, and another that it may read. */
struct world {
	struct random random;
	uint64_t seed;
	struct random_image disk;
	struct random_image other;
	struct record_log log;
	struct fault_plan faults;
	struct qcow2bm_image *image;
	struct qcow2bm_image *other_image;
	/* Of the edit on its way. */
	struct model staged;
	struct memory_file before;
	unsigned looks_left; /* calls of interrupted() until it says so; 0: never */
};

/* Everything is said about a failure here: the seed of its image replays it alone. */
#define CHECK(world, condition, ...)                                                 \
	do {                                                                         \
		if (!(condition)) {                                                  \
			fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);              \
			fprintf(stderr, __VA_ARGS__);                                \
			fprintf(stderr,                                              \
				"\nreplay: QCOW2BM_SEED=%llu "                       \
				"QCOW2BM_STEPS=%d\n",                                \
				(unsigned long long)(world)->seed, EDITS_PER_IMAGE); \
			fail();                                                      \
		}                                                                    \
	} while (0)

static struct qcow2bm_image *open_bytes(struct world *world, struct memory_file *file)
{
	struct qcow2bm_image *image;
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = q2_image_open(&image, memory_storage_open(file), &err);
	CHECK(world, code == QCOW2BM_OK, "open: %s", err.sentence);
	return image;
}

/* The image under test: memory below, then a recorder, then faults. */
static void open_world(struct world *world)
{
	struct qcow2bm_error err = {0};
	struct q2_storage *memory = memory_storage_open(&world->disk.file);
	memory->can_grow = !world->disk.is_device;
	record_log_free(&world->log);
	struct q2_storage *record = record_storage_open(memory, &world->log);
	memset(&world->faults, 0, sizeof(world->faults));
	enum qcow2bm_code code = q2_image_open(
		&world->image, fault_storage_open(record, &world->faults), &err);
	CHECK(world, code == QCOW2BM_OK, "open: %s", err.sentence);
}

static void begin_world(struct world *world)
{
	random_image_make(&world->disk, &world->random, 0);
	random_image_make(&world->other, &world->random, world->disk.model.virtual_bytes);
	open_world(world);
	world->other_image = open_bytes(world, &world->other.file);
}

static void end_world(struct world *world)
{
	qcow2bm_close(world->image);
	qcow2bm_close(world->other_image);
	record_log_free(&world->log);
	memory_file_free(&world->before);
	random_image_free(&world->disk);
	random_image_free(&world->other);
}

/* ---- After the commit ---- */

struct outcome {
	enum qcow2bm_code code;
	struct qcow2bm_error err;
	struct qcow2bm_plan plan;
	struct qcow2bm_result result;
	size_t first_op; /* what the log had before */
	bool has_fault;
};

static size_t count_ops(const struct record_log *log, size_t from, enum record_kind kind)
{
	size_t count = 0;
	for (size_t i = from; i < log->count; i++)
		count += log->ops[i].kind == kind;
	return count;
}

/* Counts the clusters of `a` that are in use there and not in `b`. */
static uint64_t count_only_in(const struct inspect *a, const struct inspect *b)
{
	uint64_t count = 0;
	for (uint64_t c = 0; c < a->clusters; c++)
		count += a->kinds[c] != INSPECT_FREE &&
			 (c >= b->clusters || b->kinds[c] == INSPECT_FREE);
	return count;
}

static bool crosses_sector(const struct inspect *inspect)
{
	return inspect->payload_off / 512 != (inspect->payload_off + 23) / 512;
}

/* In place and without growth: what is written, SYNC, the switch, SYNC, the release, SYNC. */
static void check_syncs(struct world *world, const struct outcome *outcome,
			const struct inspect *before, const struct inspect *after)
{
	size_t syncs = count_ops(&world->log, outcome->first_op, RECORD_SYNC);
	CHECK(world, syncs == outcome->result.syncs, "%zu syncs, but %u are told", syncs,
	      outcome->result.syncs);
	if (outcome->plan.refcount_clusters != 0 || before->autoclear >> 2 != 0 ||
	    !before->has_extension || (after->has_extension && crosses_sector(before)))
		return;
	CHECK(world, syncs == 3, "%zu syncs instead of 3", syncs);
}

/* Nothing is written but free clusters, refcounts and the header. */
static void check_places(struct world *world, const struct outcome *outcome,
			 const struct inspect *before)
{
	for (size_t i = outcome->first_op; i < world->log.count; i++) {
		const struct record_op *op = &world->log.ops[i];
		if ((op->kind != RECORD_WRITE && op->kind != RECORD_DISCARD) ||
		    op->bytes == 0)
			continue;
		uint64_t last = (op->off + op->bytes - 1) >> before->cluster_bits;
		for (uint64_t c = op->off >> before->cluster_bits; c <= last; c++) {
			enum inspect_kind kind =
				c < before->clusters ? before->kinds[c] : INSPECT_FREE;
			bool may = kind == INSPECT_FREE || kind == INSPECT_HEADER ||
				   kind == INSPECT_REFCOUNTS;
			CHECK(world,
			      may || (op->kind == RECORD_DISCARD &&
				      kind >= INSPECT_DIRECTORY),
			      "cluster %llu of kind %d was written",
			      (unsigned long long)c, kind);
		}
	}
}

static void check_numbers(struct world *world, const struct outcome *outcome,
			  const struct inspect *before, const struct inspect *after)
{
	const struct qcow2bm_plan *plan = &outcome->plan;
	const struct qcow2bm_result *result = &outcome->result;
	uint64_t more = count_only_in(after, before), less = count_only_in(before, after);
	CHECK(world, result->switched, "it is not switched");
	CHECK(world, result->leaked_clusters == 0 && result->leak_reason[0] == '\0',
	      "%llu clusters leaked: %s", (unsigned long long)result->leaked_clusters,
	      result->leak_reason);
	CHECK(world, result->written_clusters <= plan->write_clusters,
	      "more written than planned");
	CHECK(world, result->released_clusters >= plan->release_clusters,
	      "%llu released, less than the planned %llu",
	      (unsigned long long)result->released_clusters,
	      (unsigned long long)plan->release_clusters);
	CHECK(world, plan->leak_clusters == 0, "leaks are planned");
	CHECK(world, result->data_bytes_read <= plan->read_bytes,
	      "%llu bytes read, %llu planned",
	      (unsigned long long)result->data_bytes_read,
	      (unsigned long long)plan->read_bytes);
	CHECK(world, result->released_clusters == less,
	      "%llu released, but %llu are free now",
	      (unsigned long long)result->released_clusters, (unsigned long long)less);
	if (result->syncs != 0)
		more -= plan->refcount_clusters;
	CHECK(world, result->written_clusters == more, "%llu written, but %llu are new",
	      (unsigned long long)result->written_clusters, (unsigned long long)more);
}

static bool has_cut_off_extension(const struct inspect *inspect)
{
	for (size_t i = 0; i < inspect->extension_count; i++)
		if (inspect->extensions[i].type == INSPECT_BITMAPS_EXTENSION)
			return !inspect->has_extension;
	return false;
}

/* Returns false when the image cannot be edited before it is repaired. */
static bool check_bitmaps(struct world *world, const struct model *model,
			  struct memory_file *file)
{
	struct inspect inspect;
	CHECK(world, inspect_load(&inspect, file->bytes, file->length), "%s",
	      inspect.problem);
	const char *problem = model_compare(model, &inspect);
	CHECK(world, problem == NULL, "%s", problem);
	inspect_free(&inspect);
	/* Where a fault cut off the first or the last bitmap, the library shows what is left of
	 * the extension; it is nobody's any more. */
	if (has_cut_off_extension(&inspect))
		return false;
	struct qcow2bm_image *image = open_bytes(world, file);
	problem = model_compare_library(model, image);
	CHECK(world, problem == NULL, "%s", problem);
	qcow2bm_close(image);
	return true;
}

/* What is not told to be leaked is not leaked; the image may have leaks of earlier faults. */
static void check_leaks(struct world *world, const struct outcome *outcome,
			struct inspect *before, struct inspect *after)
{
	uint64_t had = 0, has = 0;
	CHECK(world, inspect_check_refcounts(before, true, &had), "%s", before->problem);
	CHECK(world, inspect_check_refcounts(after, true, &has), "%s", after->problem);
	CHECK(world, has <= had + outcome->result.leaked_clusters,
	      "code %d: %llu clusters leaked, %llu before, %llu told", outcome->code,
	      (unsigned long long)has, (unsigned long long)had,
	      (unsigned long long)outcome->result.leaked_clusters);
}

static void check_success(struct world *world, const struct outcome *outcome)
{
	struct inspect before, after;
	struct memory_file *file = &world->disk.file;
	CHECK(world, inspect_load(&before, world->before.bytes, world->before.length),
	      "before");
	CHECK(world, inspect_load(&after, file->bytes, file->length), "%s",
	      after.problem);
	CHECK(world, inspect_check_edit(&after, &before), "%s", after.problem);
	check_leaks(world, outcome, &before, &after);
	check_places(world, outcome, &before);
	if (!outcome->has_fault) {
		check_numbers(world, outcome, &before, &after);
		if (outcome->plan.changes == 0)
			CHECK(world, outcome->first_op == world->log.count,
			      "nothing changes");
		else if (outcome->result.syncs != 0)
			check_syncs(world, outcome, &before, &after);
		else
			CHECK(world, outcome->first_op == world->log.count,
			      "written, not synced");
	}
	inspect_free(&before);
	inspect_free(&after);
}

/* Refused before the first byte is written, or rolled back. */
static void check_failure(struct world *world, const struct outcome *outcome)
{
	struct inspect before, after;
	struct memory_file *file = &world->disk.file;
	enum qcow2bm_code code = outcome->code;
	bool is_same =
		file->length == world->before.length &&
		memcmp(file->bytes, world->before.bytes, (size_t)file->length) == 0;
	CHECK(world, !outcome->result.switched, "a failure that switched");
	if (code == QCOW2BM_EUNSUPPORTED)
		CHECK(world, is_same && !world->disk.is_roomy, "no room: %s",
		      outcome->err.sentence);
	else if (code == QCOW2BM_ESYSTEM && outcome->err.sys_errno == ENOSPC)
		CHECK(world,
		      world->disk.is_device ? is_same : world->disk.file.limit != 0,
		      "no space: %s", outcome->err.sentence);
	else
		CHECK(world, outcome->has_fault || code == QCOW2BM_EINTERRUPTED,
		      "code %d: %s", code, outcome->err.sentence);
	CHECK(world, inspect_load(&before, world->before.bytes, world->before.length),
	      "before");
	CHECK(world, inspect_load(&after, file->bytes, file->length), "%s",
	      after.problem);
	CHECK(world, inspect_check_edit(&after, &before), "%s", after.problem);
	check_leaks(world, outcome, &before, &after);
	inspect_free(&before);
	inspect_free(&after);
}

/* A power cut anywhere: the old state or the new, and nothing in use is counted as free. */
static void check_power_cut(struct world *world, const struct outcome *outcome)
{
	struct memory_file file = {0};
	struct inspect inspect;
	bool survives[4096];
	size_t ops = world->log.count - outcome->first_op;
	size_t prefix = outcome->first_op + (size_t)random_below(&world->random, ops + 1);
	size_t pieces = record_log_pieces(&world->log, prefix, RECORD_SECTOR_BYTES);
	if (pieces > sizeof(survives) / sizeof(survives[0]))
		return;
	unsigned percent = (unsigned)random_below(&world->random, 101);
	for (size_t i = 0; i < pieces; i++)
		survives[i] = random_percent(&world->random, percent);
	record_log_cut(&world->log, prefix, RECORD_SECTOR_BYTES, survives, &file);
	CHECK(world, inspect_load(&inspect, file.bytes, file.length), "power cut: %s",
	      inspect.problem);
	CHECK(world, inspect_check_refcounts(&inspect, true, NULL), "power cut: %s",
	      inspect.problem);
	bool is_whole = model_compare(&world->disk.model, &inspect) == NULL ||
			model_compare(&world->staged, &inspect) == NULL;
	CHECK(world, is_whole, "power cut after operation %zu: neither old nor new",
	      prefix);
	inspect_free(&inspect);
	memory_file_free(&file);
}

/* ---- One edit ---- */

static bool is_interrupted(void *opaque)
{
	struct world *world = opaque;
	return world->looks_left != 0 && --world->looks_left == 0;
}

/* What goes wrong this time, if anything. Writes fail whole: half of a sector is not what a
 * disk leaves behind. */
static void arrange_trouble(struct world *world, struct outcome *outcome)
{
	uint64_t kind = random_below(&world->random, 20);
	world->looks_left =
		kind == 0 ? (unsigned)random_between(&world->random, 1, 5) : 0;
	world->disk.file.limit = 0;
	memset(&world->faults, 0, sizeof(world->faults));
	if (kind == 1 && !world->disk.is_device) {
		uint64_t more = random_below(&world->random, 12)
				<< world->disk.cluster_bits;
		world->disk.file.limit = world->disk.file.length + more;
	}
	if (kind != 2)
		return;
	outcome->has_fault = true;
	world->faults = (struct fault_plan){
		.kinds = random_percent(&world->random, 70) ? FAULT_WRITE | FAULT_SYNC
							    : FAULT_ANY,
		.at = (size_t)random_between(&world->random, 1, 14),
		.from_then_on = random_percent(&world->random, 50),
		.sys_errno = EIO,
	};
}

static bool plan_and_commit(struct world *world, struct qcow2bm_edit *edit,
			    struct outcome *outcome)
{
	struct qcow2bm_error err = {0};
	struct qcow2bm_commit_options options = {
		.flags = (unsigned)random_below(&world->random, 4),
		.interrupted = is_interrupted,
		.opaque = world,
	};
	enum qcow2bm_code code =
		qcow2bm_plan_edit(edit, options.flags, &outcome->plan, &err);
	CHECK(world, outcome->first_op == world->log.count, "the plan wrote");
	arrange_trouble(world, outcome);
	outcome->code = qcow2bm_commit(edit, &options, &outcome->result, &outcome->err);
	memset(&world->faults, 0, sizeof(world->faults));
	if (code != QCOW2BM_OK) {
		CHECK(world, outcome->code == code || outcome->has_fault,
		      "the plan fails with %d, the commit with %d: %s", code,
		      outcome->code, err.sentence);
		CHECK(world, outcome->code != QCOW2BM_OK, "the plan failed: %s",
		      err.sentence);
	}
	return outcome->code == QCOW2BM_OK;
}

/* The edit may have happened though nobody can say so: go by what is on the disk. */
static bool is_switched(struct world *world)
{
	struct inspect inspect;
	const struct memory_file *file = &world->disk.file;
	CHECK(world, inspect_load(&inspect, file->bytes, file->length), "%s",
	      inspect.problem);
	bool is_new = model_compare(&world->staged, &inspect) == NULL;
	bool is_old = model_compare(&world->disk.model, &inspect) == NULL;
	CHECK(world, is_new || is_old, "neither old nor new");
	inspect_free(&inspect);
	return is_new;
}

enum next { GO_ON, REOPEN, END };

static enum next settle(struct world *world, struct outcome *outcome)
{
	bool is_new = outcome->code == QCOW2BM_OK;
	if (outcome->code == QCOW2BM_EUNKNOWN) {
		CHECK(world, outcome->has_fault, "%s", outcome->err.sentence);
		is_new = is_switched(world);
	} else if (is_new) {
		check_success(world, outcome);
	} else {
		check_failure(world, outcome);
	}
	if (world->log.count != outcome->first_op)
		check_power_cut(world, outcome);
	if (is_new) {
		model_free(&world->disk.model);
		world->disk.model = world->staged;
	} else {
		model_free(&world->staged);
	}
	bool is_editable = check_bitmaps(world, &world->disk.model, &world->disk.file);
	CHECK(world, is_editable || outcome->has_fault, "the extension is cut off");
	if (!is_editable)
		return END;
	return outcome->has_fault ? REOPEN : GO_ON;
}

static void stage_one(struct world *world, struct qcow2bm_edit *edit)
{
	struct random_edit random_edit = {
		.random = &world->random,
		.edit = edit,
		.staged = &world->staged,
		.min_granularity_bits = world->disk.min_granularity_bits,
		.other = &world->other.model,
		.other_image = world->other_image,
	};
	struct random_edit_outcome staged = random_edit_stage(&random_edit);
	CHECK(world, staged.code == staged.expected && staged.err.code == staged.code,
	      "%s: code %d, not %d: %s", staged.what, staged.code, staged.expected,
	      staged.err.sentence);
	CHECK(world, (staged.err.sentence[0] != '\0') == (staged.code != QCOW2BM_OK),
	      "%s: no sentence", staged.what);
}

static enum next edit_once(struct world *world)
{
	struct qcow2bm_edit *edit;
	struct outcome outcome = {.first_op = world->log.count};
	enum qcow2bm_code code = qcow2bm_edit_begin(&edit, world->image, &outcome.err);
	CHECK(world, code == QCOW2BM_OK, "begin: %s", outcome.err.sentence);
	model_stage(&world->staged, &world->disk.model);
	memory_file_fill(&world->before, world->disk.file.bytes, world->disk.file.length);
	for (uint64_t n = random_between(&world->random, 1, 5); n > 0; n--)
		stage_one(world, edit);
	model_resolve(&world->staged, &world->disk.model, &world->other.model);
	if (plan_and_commit(world, edit, &outcome) && outcome.result.syncs == 0 &&
	    !outcome.has_fault)
		CHECK(world, model_is_same(&world->staged, &world->disk.model),
		      "something changed, nothing was written");
	qcow2bm_edit_end(edit);
	enum next next = settle(world, &outcome);
	if (next == GO_ON) {
		const char *problem =
			model_compare_library(&world->disk.model, world->image);
		CHECK(world, problem == NULL, "the open image: %s", problem);
	}
	return next;
}

static void run_image(uint64_t seed, uint64_t edits)
{
	struct world world = {.seed = seed};
	random_seed(&world.random, seed);
	begin_world(&world);
	check_bitmaps(&world, &world.disk.model, &world.disk.file);
	check_bitmaps(&world, &world.other.model, &world.other.file);
	for (; edits > 0; edits--) {
		enum next next = edit_once(&world);
		if (next == END)
			break;
		if (next == REOPEN || random_percent(&world.random, 20)) {
			qcow2bm_close(world.image);
			open_world(&world);
		}
	}
	end_world(&world);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

static void edits_follow_the_model(void **state)
{
	(void)state;
	uint64_t seed = number_from("QCOW2BM_SEED", 1);
	uint64_t steps = number_from("QCOW2BM_STEPS", DEFAULT_STEPS);
	for (uint64_t done = 0; done < steps; done += EDITS_PER_IMAGE)
		run_image(seed++, EDITS_PER_IMAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edits_follow_the_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
