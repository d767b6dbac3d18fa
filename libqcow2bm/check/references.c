/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reference walk, window by window: who refers to which cluster of the file. */
#include "references.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../clusters/refs.h"
#include "../format/extension.h"
#include "../format/table.h"

enum qcow2bm_code q2_references_read(struct q2_walk *walk, void *buf, size_t bytes,
				     uint64_t off, struct qcow2bm_error *err)
{
	uint64_t left = off < walk->image->file_bytes ? walk->image->file_bytes - off : 0;
	size_t there = (size_t)q2_min_u64(bytes, left);
	memset((uint8_t *)buf + there, 0, bytes - there);
	return there == 0 ? QCOW2BM_OK
			  : q2_storage_read(walk->image->storage, buf, there, off, err);
}

enum qcow2bm_code q2_references_ask(struct q2_walk *walk, struct qcow2bm_error *err)
{
	q2_watch_note(walk->watch, walk->done_bytes, walk->total_bytes);
	return q2_watch_look(walk->watch, err);
}

static void tell(void *opaque, enum q2_fault fault, uint64_t off)
{
	static const enum q2_problem_id problems[] = {
		[Q2_FAULT_REFCOUNT_TABLE] = Q2_PROBLEM_GUEST_REFCOUNT_TABLE,
		[Q2_FAULT_SNAPSHOTS] = Q2_PROBLEM_GUEST_SNAPSHOTS,
		[Q2_FAULT_ENCRYPTION] = Q2_PROBLEM_GUEST_ENCRYPTION,
		[Q2_FAULT_L1_PLACE] = Q2_PROBLEM_GUEST_L1_PLACE,
		[Q2_FAULT_L1_RESERVED] = Q2_PROBLEM_GUEST_L1_ENTRY,
		[Q2_FAULT_L2_PLACE] = Q2_PROBLEM_GUEST_L1_ENTRY,
	};
	q2_tally_add(q2_references_guest(opaque, problems[fault]), off);
}

struct q2_faults q2_references_faults(struct q2_walk *walk)
{
	return (struct q2_faults){tell, walk};
}

static enum qcow2bm_code walk_window(struct q2_walk *walk, struct qcow2bm_error *err)
{
	memset(walk->counts, 0, (size_t)walk->window_clusters * sizeof(*walk->counts));
	walk->has_marks = walk->is_quick;
	enum qcow2bm_code code = q2_owners_count_structures(walk, err);
	if (code == QCOW2BM_OK && !walk->has_ranges)
		code = q2_clusters_sort(&walk->metadata, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_guest_count(walk, err);
	if (code == QCOW2BM_OK)
		code = q2_owners_count_bitmaps(walk, err);
	walk->has_ranges = true;
	if (code == QCOW2BM_OK && !walk->is_quick) {
		q2_guest_check_places(walk);
		q2_stored_check_blocks(walk);
		code = q2_stored_compare(walk, err);
	}
	if (code == QCOW2BM_OK && walk->has_marks)
		code = q2_owners_look_closely(walk, err);
	if (code == QCOW2BM_OK && !walk->is_quick)
		code = q2_guest_check_copied(walk, err);
	return code;
}

/* A window matters when a refcount block counts some of it, and so does the first. */
static enum qcow2bm_code find_windows(struct q2_walk *walk, struct qcow2bm_error *err)
{
	uint64_t counted =
		q2_min_u64(walk->clusters,
			   walk->refcounts.table_entries << walk->refcounts.block_shift);
	walk->window_count = q2_max_u64(q2_shift_up(counted, walk->window_shift), 1);
	walk->has_window = calloc((size_t)walk->window_count, 1);
	if (walk->has_window == NULL)
		return q2_fail_memory(err, "the reference walk");
	for (uint64_t i = 0; i < walk->window_count; i++) {
		walk->has_window[i] =
			i == 0 || q2_stored_has_window(walk, i << walk->window_shift);
	}
	walk->total_bytes = walk->l2_count << walk->cluster_bits;
	for (uint64_t i = 0; i < walk->refcounts.table_entries; i++)
		walk->total_bytes += (uint64_t)q2_refcounts_has_block(&walk->refcounts, i)
				     << walk->cluster_bits;
	return QCOW2BM_OK;
}

static enum qcow2bm_code walk_windows(struct q2_walk *walk, struct qcow2bm_error *err)
{
	uint64_t room = q2_min_u64(walk->clusters, (uint64_t)1 << walk->window_shift);
	walk->counts = malloc((size_t)room * sizeof(*walk->counts));
	if (walk->counts == NULL)
		return q2_fail_memory(err, "the reference walk");
	enum qcow2bm_code code = QCOW2BM_OK;
	for (uint64_t i = 0; code == QCOW2BM_OK && i < walk->window_count; i++) {
		if (!walk->has_window[i])
			continue;
		walk->first = i << walk->window_shift;
		walk->window_clusters = q2_min_u64(room, walk->clusters - walk->first);
		code = walk_window(walk, err);
	}
	return code;
}

static enum qcow2bm_code run(struct q2_walk *walk, struct qcow2bm_error *err)
{
	walk->bitmaps = calloc(walk->image->directory.count + 1, sizeof(*walk->bitmaps));
	walk->buf = malloc(Q2_REFERENCES_READ_BYTES);
	if (walk->bitmaps == NULL || walk->buf == NULL)
		return q2_fail_memory(err, "the reference walk");
	enum qcow2bm_code code = q2_stored_load(walk, err);
	if (code == QCOW2BM_OK && !walk->is_quick)
		code = q2_guest_collect(walk, err);
	if (code == QCOW2BM_OK)
		code = find_windows(walk, err);
	if (code == QCOW2BM_OK)
		code = walk_windows(walk, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_findings_add(walk);
	if (walk->is_quick)
		return QCOW2BM_OK;
	code = q2_lost_look(walk, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_findings_add_leaks(walk);
	code = q2_dropped_settle(walk, err);
	return code == QCOW2BM_OK ? q2_stored_find_behind(walk, err) : code;
}

static void forget(struct q2_walk *walk)
{
	free(walk->counts);
	q2_l1_free(&walk->l1);
	free(walk->l2_tables);
	free(walk->bitmaps);
	q2_refcounts_close(&walk->refcounts);
	free(walk->has_window);
	free(walk->buf);
	q2_clusters_free(&walk->metadata);
	q2_clusters_free(&walk->foreign);
}

enum qcow2bm_code q2_references_collect(struct qcow2bm_image *image,
					struct q2_clusters *areas,
					struct qcow2bm_error *err)
{
	/* Nobody asks for what is found on the way; without a window nothing is counted. */
	struct qcow2bm_report report = {.image = image};
	struct q2_walk walk = {
		.image = image,
		.report = &report,
		.cluster_bits = image->header.cluster_bits,
		.clusters = q2_shift_up(image->file_bytes, image->header.cluster_bits),
		.window_shift = Q2_REFERENCES_WINDOW_SHIFT,
		.buf = malloc(Q2_REFERENCES_READ_BYTES),
	};
	enum qcow2bm_code code = walk.buf == NULL
					 ? q2_fail_memory(err, "the reference walk")
					 : q2_stored_load(&walk, err);
	if (code == QCOW2BM_OK)
		code = q2_guest_collect(&walk, err);
	if (code == QCOW2BM_OK)
		code = q2_owners_count_structures(&walk, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < walk.l2_count; i++)
		code = q2_clusters_add(areas, walk.l2_tables[i].cluster, 1, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < walk.metadata.count; i++)
		code = q2_clusters_add(areas, walk.metadata.runs[i].first,
				       walk.metadata.runs[i].count, err);
	forget(&walk);
	return code;
}

enum qcow2bm_code q2_references_run(struct qcow2bm_report *report,
				    const struct q2_layout *layouts,
				    const struct qcow2bm_check_options *options,
				    unsigned window_shift, struct q2_watch *watch,
				    struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = report->image;
	struct q2_walk walk = {
		.image = image,
		.report = report,
		.watch = watch,
		.layouts = layouts,
		.is_quick = options->flags & QCOW2BM_CHECK_QUICK,
		.cluster_bits = image->header.cluster_bits,
		.clusters = q2_shift_up(image->file_bytes, image->header.cluster_bits),
		.window_shift = window_shift,
	};
	enum qcow2bm_code code = run(&walk, err);
	if (code == QCOW2BM_OK)
		q2_watch_end(walk.watch);
	forget(&walk);
	return code;
}
