/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a method of recovering promises for a bitmap, and under which conditions. */
#include "promise.h"

#include <stdlib.h>

#include "../base/error.h"
#include "../format/name.h"
#include "../format/table.h"
#include "../image/tables.h"
#include "traces.h"

#define SET(condition) (1u << (condition))

/* What no image can prove, and the promise rests on. All dirty rests on nothing. */
static const unsigned conditions_of[] = {
	[QCOW2BM_RECOVER_STORED] = SET(QCOW2BM_CONDITION_NOT_CHANGED_BY_QMP) |
				   SET(QCOW2BM_CONDITION_NOT_RESIZED),
	[QCOW2BM_RECOVER_ALLOCATED] = SET(QCOW2BM_CONDITION_NOT_CHANGED_BY_QMP) |
				      SET(QCOW2BM_CONDITION_NOT_RESIZED) |
				      SET(QCOW2BM_CONDITION_NOT_COMMITTED) |
				      SET(QCOW2BM_CONDITION_NOT_WRITTEN_BY_OTHERS),
	[QCOW2BM_RECOVER_FULL] = 0,
};

/* Whether the stored bits can be read at all: an edit that keeps them would not notice. */
static enum qcow2bm_code check_stored(struct qcow2bm_image *image,
				      const struct q2_bitmap *bitmap,
				      struct qcow2bm_error *err)
{
	struct qcow2bm_error why = {0};
	if (bitmap->problem != NULL)
		return q2_fail(
			err, QCOW2BM_EIMAGE, bitmap->off,
			"its stored bits cannot be believed, so it can only be recovered as all dirty (%.300s)",
			bitmap->problem);
	enum qcow2bm_code code = q2_tables_scan(image, bitmap, NULL, NULL, &why);
	if (code == QCOW2BM_EIMAGE)
		return q2_fail(
			err, code, why.offset,
			"its stored bits cannot be read, so it can only be recovered as all dirty (%.300s)",
			why.sentence);
	return code == QCOW2BM_OK ? code : q2_pass(err, &why);
}

static uint64_t wanted_entries(const struct qcow2bm_image *image,
			       const struct q2_bitmap *bitmap)
{
	return q2_table_shape(image->header.virtual_bytes, bitmap->entry.granularity_bits,
			      image->header.cluster_bits)
		.entries;
}

/* Whether the method can be used on this bitmap at all. */
static enum qcow2bm_code check_method(struct qcow2bm_edit *edit,
				      const struct q2_bitmap *bitmap,
				      enum qcow2bm_recovery method,
				      struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = edit->image;
	uint64_t entries = wanted_entries(image, bitmap);
	if (method == QCOW2BM_RECOVER_FULL)
		return QCOW2BM_OK;
	if (method == QCOW2BM_RECOVER_ALLOCATED && image->header.backing_file_off == 0)
		return q2_fail(
			err, QCOW2BM_EINVAL, bitmap->off,
			"the image has no backing file, so it is no overlay that holds only what was written since; recover it as all dirty");
	enum qcow2bm_code code = check_stored(image, bitmap, err);
	if (code == QCOW2BM_OK && method == QCOW2BM_RECOVER_STORED &&
	    bitmap->entry.table_entries != entries)
		return q2_fail(
			err, QCOW2BM_EIMAGE, bitmap->off,
			"its stored bits are those of a disk of another size (the table has %u entr%s, the disk needs %llu)",
			bitmap->entry.table_entries, q2_ies(bitmap->entry.table_entries),
			(unsigned long long)entries);
	if (code == QCOW2BM_OK && method == QCOW2BM_RECOVER_ALLOCATED)
		code = q2_traces_judge_layer(edit, err);
	return code;
}

/* A bitmap whose bits are not what they were when the session began, by its entry. */
static const char *find_stored_proof(const struct q2_bitmap *bitmap)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	if (entry->flags & Q2_DIRECTORY_FLAG_AUTO)
		return "unsafe: it was recording, so its stored bits lack what the guest wrote in the session that crashed, and since";
	if (q2_name_is_of_job(entry->name, entry->name_bytes))
		return "unsafe: programs write into temporary bitmaps of such a name while the guest runs, so its stored bits may be old";
	return NULL;
}

/* What takes clusters out of a layer without a trace in it, where that is known. */
static const char *find_layer_proof(const struct qcow2bm_edit *edit,
				    const struct q2_bitmap *bitmap)
{
	/* QEMU refuses to go back to a snapshot while there are bitmaps; old versions did not. */
	if (edit->image->header.nb_snapshots != 0)
		return "unsafe: the image has internal snapshots, and going back to one takes clusters out of this layer without a trace";
	if (bitmap->entry.table_entries != wanted_entries(edit->image, bitmap))
		return "unsafe: the disk was resized in the session that crashed, and making it smaller takes clusters out of this layer without a trace";
	if (edit->layer.is_emptied)
		return "unsafe: this overlay holds nothing although bitmaps of it have bits set: it was emptied, as by a commit to its backing file";
	return NULL;
}

/* Traces are no proof: whoever knows better may say so. */
static const char *find_trace(struct qcow2bm_edit *edit, enum qcow2bm_recovery method)
{
	if (method == QCOW2BM_RECOVER_ALLOCATED && edit->layer.lacks_bits)
		return "unsafe: bits are set for parts of the disk that this overlay does not hold: it was probably emptied since, as by a commit to its backing file";
	if (method != QCOW2BM_RECOVER_STORED)
		return NULL;
	q2_traces_judge_names(edit);
	if (edit->qmp.lacks_parent)
		return "unsafe: a bitmap is named CHILD^PARENT and PARENT is not there, so a running QEMU probably deleted it, and had an older one take its place";
	if (!edit->qmp.has_recording)
		return "unsafe: no bitmap of the image is recording, so a running QEMU probably deleted the one that was, and had an older one take its place";
	return NULL;
}

static const char *find_doubt(struct qcow2bm_edit *edit, const struct q2_bitmap *bitmap,
			      enum qcow2bm_recovery method, unsigned assumed,
			      struct qcow2bm_promise *promise)
{
	unsigned wanted = conditions_of[method];
	const char *doubt = NULL;
	if (method == QCOW2BM_RECOVER_STORED)
		doubt = find_stored_proof(bitmap);
	else if (method == QCOW2BM_RECOVER_ALLOCATED)
		doubt = find_layer_proof(edit, bitmap);
	if (doubt != NULL || (wanted & ~assumed) == 0)
		return doubt;
	doubt = find_trace(edit, method);
	if (doubt != NULL) {
		promise->better = method;
		promise->better_conditions = wanted;
	}
	return doubt;
}

enum qcow2bm_code q2_promise_judge(struct qcow2bm_edit *edit, struct q2_staged *staged,
				   enum qcow2bm_recovery method, unsigned assumed,
				   struct qcow2bm_promise *promise, const char **doubt,
				   struct qcow2bm_error *err)
{
	const struct q2_bitmap *bitmap =
		&edit->image->directory.bitmaps[staged->committed_idx];
	enum qcow2bm_code code = check_method(edit, bitmap, method, err);
	if (code != QCOW2BM_OK)
		return code;
	*promise = (struct qcow2bm_promise){
		.method = method,
		.guarantee = method == QCOW2BM_RECOVER_STORED
				     ? QCOW2BM_GUARANTEE_EXACT
				     : QCOW2BM_GUARANTEE_SUPERSET,
		.all_dirty = method == QCOW2BM_RECOVER_FULL ||
			     (method == QCOW2BM_RECOVER_ALLOCATED && staged->fills_disk),
	};
	*doubt = promise->all_dirty ? NULL
				    : find_doubt(edit, bitmap, method, assumed, promise);
	if (*doubt != NULL)
		promise->guarantee = QCOW2BM_GUARANTEE_UNSAFE;
	else if (!promise->all_dirty)
		promise->conditions = conditions_of[method];
	promise->assumed = promise->conditions & assumed;
	return QCOW2BM_OK;
}

/* Whether a method is out of the question for the bitmap, and another one is not. */
static bool is_refusal(enum qcow2bm_code code)
{
	return code == QCOW2BM_EINVAL || code == QCOW2BM_EIMAGE;
}

enum qcow2bm_code q2_promise_choose(struct qcow2bm_edit *edit, struct q2_staged *staged,
				    unsigned assumed, struct qcow2bm_promise *promise,
				    struct qcow2bm_error *err)
{
	static const enum qcow2bm_recovery best_first[] = {QCOW2BM_RECOVER_STORED,
							   QCOW2BM_RECOVER_ALLOCATED};
	enum qcow2bm_recovery better = QCOW2BM_RECOVER_FULL;
	unsigned better_conditions = 0;
	const char *doubt;
	for (size_t i = 0; i < sizeof(best_first) / sizeof(best_first[0]); i++) {
		struct qcow2bm_error why = {0};
		enum qcow2bm_code code = q2_promise_judge(edit, staged, best_first[i],
							  assumed, promise, &doubt, &why);
		if (code != QCOW2BM_OK && !is_refusal(code)) {
			if (err != NULL)
				*err = why;
			return code;
		}
		if (code != QCOW2BM_OK || promise->all_dirty)
			continue;
		if (doubt == NULL && (promise->conditions & ~assumed) == 0)
			return QCOW2BM_OK;
		if (better_conditions == 0 && doubt == NULL) {
			better = best_first[i];
			better_conditions = promise->conditions;
		}
	}
	enum qcow2bm_code code = q2_promise_judge(edit, staged, QCOW2BM_RECOVER_FULL,
						  assumed, promise, &doubt, err);
	promise->better = better;
	promise->better_conditions = better_conditions;
	return code;
}
