/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clusters that an edit reads bits from though no entry names them: in nobody's use, and not
 * written, so that after a crash the edit can be done again. */
#include "../base/error.h"
#include "plan.h"

static enum qcow2bm_code collect_content(struct q2_plan *plan,
					 const struct q2_content *content,
					 struct qcow2bm_error *err)
{
	for (size_t i = 0; i < content->source_count; i++) {
		const struct q2_source *source = &content->sources[i];
		if (q2_source_kind(source) != Q2_SOURCE_CARVED)
			continue;
		enum qcow2bm_code code = q2_refs_add_bitmap(&plan->carved, source->image,
							    source->bitmap, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return QCOW2BM_OK;
}

/* The entries that lead to them. */
static enum qcow2bm_code collect_entries(struct q2_plan *plan,
					 const struct q2_staged *staged,
					 struct qcow2bm_error *err)
{
	for (size_t i = 0; i < staged->source_count; i++) {
		const struct q2_edit_source *source = &staged->sources[i];
		if (source->kind != Q2_SOURCE_CARVED)
			continue;
		enum qcow2bm_code code = q2_refs_add_bytes(&plan->carved, source->image,
							   source->directory_off,
							   source->directory_bytes, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_carved_collect(struct q2_plan *plan, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < plan->content_count; i++)
		code = collect_content(plan, &plan->contents[i], err);
	for (size_t i = 0; code == QCOW2BM_OK && i < plan->content_count; i++)
		code = collect_entries(plan, plan->contents[i].staged, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&plan->carved, NULL, err);
	/* They are free by their refcounts, and are not to be handed out. */
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&plan->alloc.free_clusters, &plan->carved,
					    err);
	return code;
}

static enum qcow2bm_code check_unused(const struct q2_plan *plan,
				      const struct q2_clusters *used, const char *what,
				      struct qcow2bm_error *err)
{
	uint64_t hit;
	for (size_t i = 0; i < plan->carved.count; i++) {
		const struct q2_run *run = &plan->carved.runs[i];
		if (!q2_clusters_overlap(used, run->first, run->count, &hit))
			continue;
		uint64_t off = hit << plan->edit->image->header.cluster_bits;
		return q2_fail(
			err, QCOW2BM_EIMAGE, off,
			"the cluster at %llu, which held the old bitmap, is in use by %s now",
			(unsigned long long)off, what);
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_carved_check(const struct q2_plan *plan,
				  const struct q2_clusters *named, bool all,
				  struct qcow2bm_error *err)
{
	if (plan->carved.count == 0)
		return QCOW2BM_OK;
	if (!all)
		return q2_fail(
			err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
			"another bitmap is corrupt, so whether it has the clusters of the old bitmap is not known" QCOW2BM_SEE_CHECK);
	enum qcow2bm_code code =
		check_unused(plan, &plan->refs.metadata, "the image's metadata", err);
	if (code == QCOW2BM_OK)
		code = check_unused(plan, named, "the guest or a bitmap", err);
	if (code == QCOW2BM_OK)
		code = check_unused(plan, &plan->given_up, "a bitmap", err);
	return code;
}
