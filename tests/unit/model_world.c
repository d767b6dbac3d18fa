/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images that test_model works on, and what must hold after each edit. */
#include "model_world.h"

#include <errno.h>
#include <string.h>

static struct qcow2bm_image *open_bytes(struct world *world, struct memory_file *file)
{
	struct qcow2bm_image *image;
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = q2_image_open(&image, memory_storage_open(file), &err);
	CHECK(world, code == QCOW2BM_OK, "open: %s", err.sentence);
	return image;
}

/* The image under test: memory below, then a recorder, then faults. */
void model_world_open(struct world *world)
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

void model_world_begin(struct world *world)
{
	random_image_make(&world->disk, &world->random, 0);
	random_image_make(&world->other, &world->random, world->disk.model.virtual_bytes);
	model_world_open(world);
	world->other_image = open_bytes(world, &world->other.file);
}

void model_world_end(struct world *world)
{
	qcow2bm_image_close(world->image);
	qcow2bm_image_close(world->other_image);
	record_log_free(&world->log);
	memory_file_free(&world->before);
	random_image_free(&world->disk);
	random_image_free(&world->other);
}

/* ---- After the commit ---- */

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
	if (result->syncs != 1)
		more -= plan->refcount_clusters;
	CHECK(world, result->written_clusters == more, "%llu written, but %llu are new",
	      (unsigned long long)result->written_clusters, (unsigned long long)more);
}

/* The state is brought to stable storage as it is. */
static void check_nothing(struct world *world, const struct outcome *outcome)
{
	const struct memory_file *file = &world->disk.file;
	CHECK(world,
	      outcome->result.syncs == 1 &&
		      world->log.ops[world->log.count - 1].kind == RECORD_SYNC,
	      "nothing changes, but it is not synced");
	CHECK(world,
	      file->length == world->before.length &&
		      memcmp(file->bytes, world->before.bytes, (size_t)file->length) == 0,
	      "nothing changes, but bytes do");
}

static bool has_cut_off_extension(const struct inspect *inspect)
{
	for (size_t i = 0; i < inspect->extension_count; i++)
		if (inspect->extensions[i].type == INSPECT_BITMAPS_EXTENSION)
			return !inspect->has_extension;
	return false;
}

bool model_world_check_bitmaps(struct world *world, const struct model *model,
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
	qcow2bm_image_close(image);
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

void model_world_check_success(struct world *world, const struct outcome *outcome)
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
		if (outcome->plan.changes == 0 || outcome->result.syncs == 1)
			check_nothing(world, outcome);
		else
			check_syncs(world, outcome, &before, &after);
	}
	inspect_free(&before);
	inspect_free(&after);
}

void model_world_check_failure(struct world *world, const struct outcome *outcome)
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

void model_world_check_power_cut(struct world *world, const struct outcome *outcome)
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
