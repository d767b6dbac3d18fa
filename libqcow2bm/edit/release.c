/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Releasing clusters: of the old state after the switch, of the reserve after a failure. */
#include <stdio.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "change_refcounts.h"
#include "commit.h"

enum qcow2bm_code q2_release_find_used(const struct q2_plan *plan,
				       struct q2_clusters *used,
				       struct qcow2bm_error *err)
{
	unsigned cluster_bits = plan->edit->image->header.cluster_bits;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; i < plan->content_count; i++) {
		const struct q2_content *content = &plan->contents[i];
		for (uint64_t e = 0; code == QCOW2BM_OK && e < content->shape.entries;
		     e++)
			if (q2_table_is_data(content->table[e]))
				code = q2_clusters_add(
					used, content->table[e] >> cluster_bits, 1, err);
		if (code == QCOW2BM_OK && content->is_unchanged)
			code = q2_refs_add_bytes(
				used, plan->edit->image,
				content->sources[0].bitmap->entry.table_off,
				content->shape.entries * Q2_TABLE_ENTRY_BYTES, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return q2_clusters_sort(used, NULL, err);
}

/* Adds what is proven to be released of a refcount table that was replaced. */
static enum qcow2bm_code add_old_refcount_table(const struct q2_commit *commit,
						struct q2_clusters *set,
						struct qcow2bm_error *err)
{
	const struct q2_clusters *old = &commit->plan.old_table;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; commit->table_replaced && code == QCOW2BM_OK && i < old->count;
	     i++)
		code = q2_clusters_add(set, old->runs[i].first, old->runs[i].count, err);
	return code != QCOW2BM_OK ? code : q2_clusters_sort(set, NULL, err);
}

/* All that a refcount table that was replaced had. */
static uint64_t count_old_refcount_table(const struct q2_commit *commit)
{
	const struct q2_plan *plan = &commit->plan;
	return commit->table_replaced
		       ? q2_clusters_total(&plan->old_table) + plan->old_table_unproven
		       : 0;
}

static void tell_leaks(struct q2_commit *commit, uint64_t leaked, const char *reason)
{
	struct qcow2bm_result *result = &commit->result;
	result->leaked_clusters += leaked;
	if (leaked != 0 || commit->plan.has_lost_table)
		snprintf(result->leak_reason, sizeof(result->leak_reason), "%.255s",
			 reason);
}

/* How many clusters of the set are still counted after a failure to lower them all. */
static uint64_t count_leaked(struct q2_commit *commit, struct q2_clusters *set)
{
	uint64_t all = q2_clusters_total(set);
	commit->plan.refcounts.block_idx = UINT64_MAX;
	if (q2_clusters_sort(set, NULL, NULL) != QCOW2BM_OK ||
	    q2_refcounts_keep_ones(&commit->plan.refcounts, set, NULL) != QCOW2BM_OK)
		return all;
	return q2_clusters_total(set);
}

static void punch_holes(struct q2_commit *commit, const struct q2_clusters *set)
{
	unsigned cluster_bits = commit->image->header.cluster_bits;
	if (commit->options.flags & QCOW2BM_COMMIT_NO_DISCARD)
		return;
	/* A hole saves room and is no promise: what cannot be punched stays as it is. */
	for (size_t i = 0; i < set->count; i++)
		(void)q2_storage_discard(commit->image->storage,
					 set->runs[i].first << cluster_bits,
					 set->runs[i].count << cluster_bits, NULL);
}

/* What the reference walk of a repair found to be counted although nothing refers to it joins
 * plan->provable. */
static enum qcow2bm_code free_leaked(struct q2_plan *plan, struct qcow2bm_error *err)
{
	const struct q2_edit_repair *repair = &plan->edit->repair;
	enum qcow2bm_code code = q2_change_refcounts(&plan->refcounts, &repair->leaked,
						     Q2_CHANGE_TO_ZERO, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < repair->leaked.count; i++)
		code = q2_clusters_add(&plan->provable, repair->leaked.runs[i].first,
				       repair->leaked.runs[i].count, err);
	return code == QCOW2BM_OK ? q2_clusters_sort(&plan->provable, NULL, err) : code;
}

/* An undo file wants the bytes of what is about to be free, before anybody can write there. */
static enum qcow2bm_code keep_owned(struct q2_commit *commit, struct qcow2bm_error *err)
{
	const struct q2_clusters *owned = &commit->plan.provable;
	unsigned cluster_bits = commit->image->header.cluster_bits;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < owned->count; i++)
		code = q2_storage_keep(commit->image->storage,
				       owned->runs[i].first << cluster_bits,
				       owned->runs[i].count << cluster_bits, err);
	return code;
}

void q2_release(struct q2_commit *commit)
{
	struct q2_plan *plan = &commit->plan;
	struct q2_clusters used = {0};
	struct qcow2bm_error err = {0};
	if (plan->is_header_alone) {
		tell_leaks(commit, 0, plan->leak_reason);
		return;
	}
	uint64_t all =
		q2_clusters_total(&plan->given_up) + count_old_refcount_table(commit);
	enum qcow2bm_code code = add_old_refcount_table(commit, &plan->provable, &err);
	if (code == QCOW2BM_OK)
		code = q2_release_find_used(plan, &used, &err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&plan->given_up, &plan->provable, &err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&plan->given_up, &used, &err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&plan->provable, &used, &err);
	if (code == QCOW2BM_OK && plan->edit->repair.is_wanted)
		code = q2_clusters_subtract(&plan->given_up, &plan->edit->repair.leaked,
					    &err);
	q2_clusters_free(&used);
	if (code != QCOW2BM_OK) {
		tell_leaks(commit, all, err.sentence);
		return;
	}
	uint64_t unproven = commit->table_replaced ? plan->old_table_unproven : 0;
	tell_leaks(commit, q2_clusters_total(&plan->given_up) + unproven,
		   plan->leak_reason);
	if (plan->edit->repair.kept_leaks != 0)
		tell_leaks(
			commit, plan->edit->repair.kept_leaks,
			"they may be what is left of damaged bitmaps: look with check --carve; the next repair gives them back");
	code = keep_owned(commit, &err);
	/* The old directory may be among those that are counted too often. */
	if (code == QCOW2BM_OK)
		code = q2_change_refcounts(&plan->refcounts, &plan->edit->repair.high,
					   Q2_CHANGE_TO_ONE, &err);
	if (code == QCOW2BM_OK)
		code = q2_change_refcounts(&plan->refcounts, &plan->provable,
					   plan->edit->repair.saw_every_reference
						   ? Q2_CHANGE_TO_ZERO
						   : Q2_CHANGE_LOWER,
					   &err);
	if (code == QCOW2BM_OK && plan->edit->repair.is_wanted)
		code = free_leaked(plan, &err);
	if (code != QCOW2BM_OK) {
		tell_leaks(commit, count_leaked(commit, &plan->provable), err.sentence);
		return;
	}
	/* The holes must not come before the refcounts: they are the guest's as soon as the
	 * clusters are free, and QEMU may use them then. */
	code = q2_gate_sync(commit, &err);
	if (code != QCOW2BM_OK) {
		/* What reads as lowered now may not be on disk. */
		tell_leaks(commit, q2_clusters_total(&plan->provable), err.sentence);
		return;
	}
	commit->result.released_clusters = q2_clusters_total(&plan->provable);
	punch_holes(commit, &plan->provable);
}

/* The reserve without the refcount structures that are part of the image by now. */
static enum qcow2bm_code collect_reserve(struct q2_commit *commit,
					 struct q2_clusters *reserve,
					 struct qcow2bm_error *err)
{
	const struct q2_plan *plan = &commit->plan;
	struct q2_clusters structures = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < plan->alloc.taken.count; i++)
		code = q2_clusters_add(reserve, plan->alloc.taken.runs[i].first,
				       plan->alloc.taken.runs[i].count, err);
	if (code == QCOW2BM_OK && plan->growth.may_be_seen)
		code = q2_grow_refcounts_collect(&plan->growth, &structures, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(reserve, &structures, err);
	if (code == QCOW2BM_OK)
		code = add_old_refcount_table(commit, reserve, err);
	q2_clusters_free(&structures);
	return code;
}

/* What at most stays counted of a reserve that there was no memory to collect. */
static uint64_t count_uncollected(struct q2_commit *commit)
{
	const struct q2_plan *plan = &commit->plan;
	uint64_t leaked =
		count_leaked(commit, &commit->written) + count_old_refcount_table(commit);
	bool is_hidden = commit->growth_started && !plan->growth.may_be_seen;
	return is_hidden ? leaked + q2_grow_refcounts_clusters(&plan->growth) : leaked;
}

void q2_release_reserve(struct q2_commit *commit)
{
	struct q2_refcounts *refcounts = &commit->plan.refcounts;
	struct q2_clusters reserve = {0};
	struct qcow2bm_error err = {0};
	if (!commit->gate_is_open && !commit->growth_started)
		return;
	refcounts->block_idx = UINT64_MAX;
	/* While the header may name the new directory, its clusters must stay counted. */
	enum qcow2bm_code code = q2_switch_take_back(commit, &err);
	if (code == QCOW2BM_OK)
		code = collect_reserve(commit, &reserve, &err);
	bool is_collected = code == QCOW2BM_OK;
	if (code == QCOW2BM_OK)
		code = q2_refcounts_keep_ones(refcounts, &reserve, &err);
	if (code == QCOW2BM_OK)
		code = q2_change_refcounts(refcounts, &reserve, Q2_CHANGE_LOWER, &err);
	if (code == QCOW2BM_OK && commit->image->storage->can_grow &&
	    !commit->plan.growth.may_be_seen)
		code = q2_storage_resize(commit->image->storage,
					 commit->image->file_bytes, &err);
	if (code == QCOW2BM_OK)
		code = q2_gate_sync(commit, &err);
	if (code != QCOW2BM_OK)
		tell_leaks(commit,
			   is_collected ? count_leaked(commit, &reserve)
					: count_uncollected(commit),
			   err.sentence);
	if (commit->plan.growth.may_be_seen && !commit->gate_is_open)
		tell_leaks(commit, q2_grow_refcounts_clusters(&commit->plan.growth),
			   "new refcount structures may be the image's or not");
	q2_clusters_free(&reserve);
}
