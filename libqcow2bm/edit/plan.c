/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Planning an edit: limits, contents, ownership, new clusters. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../base/options.h"
#include "../clusters/structures.h"
#include "commit.h"
#include "doubt.h"
#include "in_place.h"

#define MAX_NEW_TABLE_BYTES (16u << 20)

static uint64_t staged_entry_bytes(const struct qcow2bm_edit *edit,
				   const struct q2_staged *staged)
{
	size_t name_bytes;
	q2_edit_name(edit, staged, &name_bytes);
	struct q2_directory_entry entry = {.name_bytes = (uint16_t)name_bytes};
	if (staged->committed_idx != Q2_EDIT_NOT_COMMITTED)
		entry.extra_bytes = edit->image->directory.bitmaps[staged->committed_idx]
					    .entry.extra_bytes;
	return q2_directory_entry_bytes(&entry);
}

/* How large the new directory is, and that QEMU would load it. */
static enum qcow2bm_code measure_directory(struct q2_plan *plan,
					   struct qcow2bm_error *err)
{
	const struct qcow2bm_edit *edit = plan->edit;
	for (size_t i = 0; i < edit->count; i++)
		if (!edit->staged[i].is_deleted)
			plan->directory_bytes +=
				staged_entry_bytes(edit, &edit->staged[i]);
	if (plan->directory_bytes > Q2_DIRECTORY_MAX_BYTES)
		return q2_fail(
			err, QCOW2BM_ELIMIT, QCOW2BM_NO_OFFSET,
			"the bitmap directory would take %llu bytes, more than QEMU's %llu",
			(unsigned long long)plan->directory_bytes,
			Q2_DIRECTORY_MAX_BYTES);
	plan->directory_clusters =
		q2_shift_up(plan->directory_bytes, edit->image->header.cluster_bits);
	return QCOW2BM_OK;
}

/* What the file holds; a long one may be a hole. */
static uint64_t held_bytes(const struct qcow2bm_image *image)
{
	uint64_t allocated = image->storage->allocated_bytes;
	return allocated == 0 ? image->file_bytes
			      : q2_min_u64(allocated, image->file_bytes);
}

/* The new table, and, where the old one is another bitmap's too, what it adds to the file. */
static uint64_t new_table_bytes(const struct qcow2bm_edit *edit,
				const struct q2_staged *staged)
{
	const struct qcow2bm_image *image = edit->image;
	uint64_t bytes =
		Q2_TABLE_ENTRY_BYTES * q2_table_shape(image->header.virtual_bytes,
						      staged->granularity_bits,
						      image->header.cluster_bits)
					       .entries;
	if (staged->committed_idx == Q2_EDIT_NOT_COMMITTED ||
	    !image->directory.is_judged ||
	    image->directory.bitmaps[staged->committed_idx].has_own_table)
		return bytes;
	return q2_round_up(bytes, q2_header_cluster_bytes(&image->header));
}

/* New tables are made in memory. Those of sound bitmaps are no longer than what the image has now,
 * but bitmaps that have one table in common would get a long one each. */
static enum qcow2bm_code bound_tables(const struct qcow2bm_edit *edit,
				      struct qcow2bm_error *err)
{
	uint64_t held = held_bytes(edit->image), bytes = 0;
	for (size_t i = 0; i < edit->changed_count; i++) {
		const struct q2_staged *staged = &edit->staged[edit->changed[i]];
		if (q2_edit_changes_content(staged))
			bytes += new_table_bytes(edit, staged);
	}
	if (bytes <= MAX_NEW_TABLE_BYTES + held)
		return QCOW2BM_OK;
	return q2_fail(
		err, QCOW2BM_ELIMIT, QCOW2BM_NO_OFFSET,
		"the new bitmap tables would take %llu bytes, more than the %llu of the file and %u together; change fewer bitmaps at once",
		(unsigned long long)bytes, (unsigned long long)held, MAX_NEW_TABLE_BYTES);
}

/* Plans the table of each bitmap whose bits change. */
static enum qcow2bm_code plan_contents(struct q2_plan *plan, struct qcow2bm_error *err)
{
	struct qcow2bm_edit *edit = plan->edit;
	plan->contents = calloc(edit->changed_count + 1, sizeof(*plan->contents));
	if (plan->contents == NULL)
		return q2_fail_memory(err, "an edit");
	for (size_t i = 0; i < edit->changed_count; i++) {
		struct q2_staged *staged = &edit->staged[edit->changed[i]];
		staged->heir = NULL;
		if (!q2_edit_changes_content(staged))
			continue;
		enum qcow2bm_code code = q2_watch_look(plan->watch, err);
		if (code == QCOW2BM_OK)
			code = q2_content_plan(&plan->contents[plan->content_count], edit,
					       staged, err);
		if (code != QCOW2BM_OK)
			return code;
		plan->content_count++;
	}
	return QCOW2BM_OK;
}

/* Takes free clusters for all that is written: there is room for all of it or nothing is begun. */
static enum qcow2bm_code reserve_new(struct q2_plan *plan, struct qcow2bm_error *err)
{
	unsigned cluster_bits = plan->edit->image->header.cluster_bits;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (plan->directory_clusters != 0)
		code = q2_alloc_take(&plan->alloc, plan->directory_clusters,
				     &plan->directory_first, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < plan->content_count; i++) {
		q2_content_take_over(&plan->contents[i], plan->edit, &plan->provable);
		code = q2_content_reserve(&plan->contents[i], &plan->alloc, cluster_bits,
					  err);
	}
	if (code == QCOW2BM_OK)
		code = q2_grow_refcounts_plan(&plan->growth, &plan->refcounts,
					      &plan->alloc, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&plan->alloc.taken, NULL, err);
	return code;
}

/* The last bitmap of the directory can always be deleted, see in_place.h, and all of them: that makes
 * room for the others. */
static enum qcow2bm_code tell_ways_out(const struct q2_plan *plan, const char *full,
				       struct qcow2bm_error *err)
{
	const struct q2_directory *directory = &plan->edit->image->directory;
	const char *grow = "make the device larger (lvextend, for a logical volume)";
	if (directory->count == 0)
		return q2_fail_errno(err, ENOSPC, QCOW2BM_NO_OFFSET, "%s; %s", full,
				     grow);
	const struct q2_directory_entry *last =
		&directory->bitmaps[directory->count - 1].entry;
	return q2_fail_errno(
		err, ENOSPC, QCOW2BM_NO_OFFSET,
		"%s; %s, or delete a bitmap first: no room is needed to delete the last one of the directory ('%.*s') or all of them (delete --all, repair --drop-all)",
		full, grow, last->name_bytes > 200 ? 200 : (int)last->name_bytes,
		(const char *)last->name);
}

static enum qcow2bm_code refuse_full(const struct q2_plan *plan,
				     struct qcow2bm_error *err)
{
	char full[64] = "no room in the image";
	if (plan->alloc.lacking != 0)
		snprintf(full, sizeof(full),
			 "no room for %llu more clusters in the image",
			 (unsigned long long)plan->alloc.lacking);
	return plan->edit->image->storage->can_grow
		       ? q2_fail_errno(err, ENOSPC, QCOW2BM_NO_OFFSET, "%s", full)
		       : tell_ways_out(plan, full, err);
}

static enum qcow2bm_code reserve(struct q2_plan *plan, struct qcow2bm_error *err)
{
	if (!(plan->flags & Q2_PLAN_IN_PLACE)) {
		struct qcow2bm_error why = {0};
		enum qcow2bm_code code = reserve_new(plan, &why);
		if (code == QCOW2BM_OK)
			return QCOW2BM_OK;
		if (plan->alloc.lacking == 0)
			return q2_pass(err, &why);
	}
	enum qcow2bm_code code = q2_in_place_plan(plan, err);
	if (code == QCOW2BM_OK && plan->in_place.bytes == NULL)
		code = refuse_full(plan, err);
	return code;
}

/* A repair is made where refcounts are wrong: what is in use, or to be freed at the end, is not
 * handed out, but that it is counted as free is no reason to refuse. */
static enum qcow2bm_code avoid_uncounted(struct q2_plan *plan, struct qcow2bm_error *err)
{
	struct q2_clusters *free_clusters = &plan->alloc.free_clusters;
	const struct q2_edit_repair *repair = &plan->edit->repair;
	const struct q2_clusters *const sets[] = {&plan->alloc.wrongly_free,
						  &plan->given_up, &repair->low,
						  &repair->leaked, &plan->refs.metadata};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < sizeof(sets) / sizeof(sets[0]); i++)
		code = q2_clusters_subtract(free_clusters, sets[i], err);
	return code;
}

/* The L2 tables that the proof reads, and the bits that are computed then. */
static void expect_work(struct q2_plan *plan)
{
	if (plan->watch == NULL)
		return;
	if (!(plan->flags & QCOW2BM_COMMIT_TRUST_REFCOUNTS))
		plan->watch->total = q2_clusters_total(&plan->refs.l2_tables)
				     << plan->edit->image->header.cluster_bits;
	for (size_t i = 0; i < plan->content_count; i++)
		plan->watch->total += plan->contents[i].read_bytes;
}

/* All that is decided about clusters, in an order where each step knows what the ones before
 * have found. */
static enum qcow2bm_code plan_clusters(struct q2_plan *plan, struct qcow2bm_error *err)
{
	struct qcow2bm_edit *edit = plan->edit;
	enum qcow2bm_code code = q2_refcounts_open(&plan->refcounts, edit->image, err);
	if (code == QCOW2BM_OK)
		code = q2_structures_load(&plan->refs, edit->image, &plan->refcounts,
					  plan->watch, err);
	if (code == QCOW2BM_OK)
		code = plan_contents(plan, err);
	if (code == QCOW2BM_OK)
		code = q2_alloc_open(&plan->alloc, &plan->refcounts, err);
	if (code == QCOW2BM_OK)
		code = q2_carved_collect(plan, err);
	if (code == QCOW2BM_OK)
		expect_work(plan);
	if (code == QCOW2BM_OK)
		code = q2_prove_owned(plan, err);
	if (code == QCOW2BM_OK && edit->repair.is_wanted)
		code = avoid_uncounted(plan, err);
	if (code == QCOW2BM_OK)
		code = reserve(plan, err);
	if (code == QCOW2BM_OK)
		code = q2_prove_unused(plan, err);
	if (code == QCOW2BM_OK)
		code = q2_prove_old_table(plan, err);
	return code;
}

/* To drop all bitmaps the header suffices. */
static void plan_header_alone(struct q2_plan *plan, const struct qcow2bm_error *why)
{
	struct q2_plan alone = {.edit = plan->edit,
				.flags = plan->flags,
				.cut_off = UINT64_MAX,
				.has_lost_table = true,
				.is_header_alone = true};
	snprintf(alone.leak_reason, sizeof(alone.leak_reason), "%.255s", why->sentence);
	q2_plan_free(plan);
	*plan = alone;
}

/* Refcounts that QEMU is to count anew are let alone: a repair may drop all bitmaps even so. */
static bool may_change_refcounts(const struct q2_plan *plan, struct qcow2bm_error *why)
{
	return !plan->edit->image->is_tolerant ||
	       q2_edit_check_bits(plan->edit->image, why) == QCOW2BM_OK;
}

enum qcow2bm_code q2_plan_make(struct q2_plan *plan, struct qcow2bm_edit *edit,
			       unsigned flags, struct q2_watch *watch,
			       struct qcow2bm_error *err)
{
	struct qcow2bm_error why = {0};
	*plan = (struct q2_plan){
		.edit = edit, .flags = flags, .watch = watch, .cut_off = UINT64_MAX};
	enum qcow2bm_code code = q2_edit_enter(edit, err);
	if (code == QCOW2BM_OK)
		code = q2_edit_check_sources(edit, err);
	if (code == QCOW2BM_OK)
		code = q2_plan_list_changes(edit, err);
	if (code == QCOW2BM_OK && edit->image->is_tolerant && edit->changed_count != 0 &&
	    !edit->repair.is_wanted)
		code = q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"an image that was opened although it is damaged can only be repaired");
	if (code != QCOW2BM_OK || q2_edit_is_nothing(edit))
		return code;
	code = q2_doubt_check(edit, err);
	if (code == QCOW2BM_OK)
		code = measure_directory(plan, err);
	if (code == QCOW2BM_OK)
		code = bound_tables(edit, err);
	if (code == QCOW2BM_OK)
		code = plan_clusters(plan, &why);
	if (code == QCOW2BM_OK && !may_change_refcounts(plan, &why))
		code = QCOW2BM_EIMAGE;
	if (code == QCOW2BM_EIMAGE && edit->repair.is_wanted && edit->live == 0 &&
	    !plan->is_header_shared) {
		plan_header_alone(plan, &why);
		return QCOW2BM_OK;
	}
	if (code != QCOW2BM_OK) {
		if (why.code != QCOW2BM_OK)
			q2_pass(err, &why);
		q2_plan_free(plan);
	}
	return code;
}

void q2_plan_free(struct q2_plan *plan)
{
	for (size_t i = 0; i < plan->content_count; i++)
		q2_content_free(&plan->contents[i]);
	free(plan->contents);
	free(plan->in_place.bytes);
	q2_grow_refcounts_free(&plan->growth);
	q2_alloc_close(&plan->alloc);
	q2_structures_free(&plan->refs);
	q2_refcounts_close(&plan->refcounts);
	q2_clusters_free(&plan->given_up);
	q2_clusters_free(&plan->carved);
	q2_clusters_free(&plan->provable);
	q2_clusters_free(&plan->old_table);
	memset(plan, 0, sizeof(*plan));
}
