/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A dry run: the first half of a commit, and what it tells of the second. */
#include "../base/error.h"
#include "../base/options.h"
#include "commit.h"

/* Data clusters of the old state that the new tables name for sure, or, with `maybe`, that they
 * name if a computed cluster turns out to be unchanged; then its table may stay too. */
static enum qcow2bm_code collect_kept(const struct qcow2bm_image *image,
				      const struct q2_content *content, bool maybe,
				      struct q2_clusters *kept, struct qcow2bm_error *err)
{
	unsigned cluster_bits = image->header.cluster_bits;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (uint64_t e = 0; code == QCOW2BM_OK && e < content->shape.entries; e++) {
		uint64_t entry = content->table[e];
		if (entry == Q2_CONTENT_COMPUTE)
			entry = maybe ? content->sources[0].table[e] : Q2_TABLE_ZEROS;
		if (q2_table_is_data(entry))
			code = q2_clusters_add(kept, entry >> cluster_bits, 1, err);
	}
	if (code == QCOW2BM_OK && maybe && q2_content_may_be_unchanged(content))
		code = q2_refs_add_bytes(
			kept, image, content->sources[0].bitmap->entry.table_off,
			content->shape.entries * Q2_TABLE_ENTRY_BYTES, err);
	return code;
}

/* Whether the edit may come to nothing: then the directory stays too. */
static bool may_be_nothing(const struct q2_plan *plan)
{
	if (plan->content_count != plan->edit->changed_count ||
	    plan->edit->repair.is_wanted)
		return false;
	for (size_t i = 0; i < plan->content_count; i++) {
		const struct q2_staged *staged = plan->contents[i].staged;
		if (!q2_content_may_be_unchanged(&plan->contents[i]) ||
		    q2_edit_changes_entry(plan->edit, staged))
			return false;
	}
	return true;
}

/* Takes out of plan->provable and plan->given_up what stays in use. */
static enum qcow2bm_code subtract_kept(struct q2_plan *plan, bool maybe,
				       struct qcow2bm_error *err)
{
	struct q2_clusters kept = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < plan->content_count; i++)
		if (plan->contents[i].staged->keeps_bits || !maybe)
			code = collect_kept(plan->edit->image, &plan->contents[i], maybe,
					    &kept, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&kept, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&plan->provable, &kept, err);
	if (code == QCOW2BM_OK && !maybe)
		code = q2_clusters_subtract(&plan->given_up, &kept, err);
	q2_clusters_free(&kept);
	return code;
}

/* Leaks that the reference walk found are released whatever their refcount. */
static enum qcow2bm_code estimate_repair(struct q2_plan *internal,
					 struct qcow2bm_plan *plan,
					 struct qcow2bm_error *err)
{
	const struct q2_clusters *leaked = &internal->edit->repair.leaked;
	enum qcow2bm_code code = q2_clusters_subtract(&internal->given_up, leaked, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&internal->provable, leaked, err);
	plan->leak_clusters = q2_clusters_total(&internal->given_up) +
			      internal->old_table_unproven +
			      internal->edit->repair.kept_leaks;
	plan->release_clusters = q2_clusters_total(leaked);
	return code;
}

/* The numbers are bounds: a computed cluster may yet turn out to be unchanged. */
static enum qcow2bm_code estimate(struct q2_plan *internal, struct qcow2bm_plan *plan,
				  struct qcow2bm_error *err)
{
	plan->leaks_more = internal->has_lost_table;
	if (internal->is_header_alone)
		return QCOW2BM_OK;
	plan->refcount_clusters = q2_grow_refcounts_clusters(&internal->growth);
	plan->write_clusters =
		q2_clusters_total(&internal->alloc.taken) - plan->refcount_clusters;
	for (size_t i = 0; i < internal->content_count; i++)
		plan->read_bytes += internal->contents[i].read_bytes;
	enum qcow2bm_code code =
		q2_clusters_subtract(&internal->given_up, &internal->provable, err);
	if (code == QCOW2BM_OK)
		code = subtract_kept(internal, false, err);
	if (code == QCOW2BM_OK)
		code = subtract_kept(internal, true, err);
	plan->leak_clusters =
		q2_clusters_total(&internal->given_up) + internal->old_table_unproven;
	if (internal->edit->repair.is_wanted && code == QCOW2BM_OK)
		code = estimate_repair(internal, plan, err);
	if (!may_be_nothing(internal))
		plan->release_clusters += q2_clusters_total(&internal->provable) +
					  q2_clusters_total(&internal->old_table);
	return code;
}

enum qcow2bm_code qcow2bm_edit_plan(struct qcow2bm_edit *edit, unsigned flags,
				    const struct qcow2bm_plan **plan,
				    const struct qcow2bm_watch *watch,
				    struct qcow2bm_error *err)
{
	const struct qcow2bm_commit_options options = {.flags = flags};
	struct q2_commit *commit;
	*plan = &edit->plan;
	edit->plan = (struct qcow2bm_plan){.changes = 0};
	enum qcow2bm_code code =
		q2_options_check(flags, Q2_PLAN_CALLER_FLAGS, "a plan", err);
	if (code == QCOW2BM_OK)
		code = q2_commit_open(&commit, edit, &options, flags, watch, err);
	if (code != QCOW2BM_OK)
		return code;
	edit->plan.changes = edit->changed_count;
	code = estimate(&commit->plan, &edit->plan, err);
	q2_commit_close(commit);
	return code;
}
