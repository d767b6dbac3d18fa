/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a commit writes in place, the header and the refcount structures, must be nothing else:
 * in a broken image a refcount block may be the guest's data, a bitmap's or another block.
 */
#include "apart.h"

#include "../base/error.h"

static enum qcow2bm_code refuse(struct q2_plan *plan, uint64_t cluster, const char *what,
				struct qcow2bm_error *err)
{
	uint64_t off = cluster << plan->edit->image->header.cluster_bits;
	plan->is_header_shared |= cluster == 0;
	return q2_fail(
		err, QCOW2BM_EIMAGE, off,
		"the cluster at %llu would be written as part of the header or the refcounts, but is in use by %s too" QCOW2BM_SEE_CHECK,
		(unsigned long long)off, what);
}

/* Fails when a cluster of `set` is written in place. */
static enum qcow2bm_code check_set(struct q2_plan *plan,
				   const struct q2_clusters *in_place,
				   const struct q2_clusters *set, const char *what,
				   struct qcow2bm_error *err)
{
	for (size_t i = 0; i < set->count; i++) {
		uint64_t hit;
		if (q2_clusters_overlap(in_place, set->runs[i].first, set->runs[i].count,
					&hit))
			return refuse(plan, hit, what, err);
	}
	return QCOW2BM_OK;
}

/* Bits that are read must not be changed before, nor stay in their place when they turn out to be
 * the new content. */
static enum qcow2bm_code check_source(struct q2_plan *plan,
				      const struct q2_clusters *in_place,
				      const struct q2_source *source,
				      struct qcow2bm_error *err)
{
	unsigned cluster_bits = plan->edit->image->header.cluster_bits;
	uint64_t hit;
	for (uint32_t i = 0; i < source->table_entries; i++)
		if (q2_table_is_data(source->table[i]) &&
		    q2_clusters_overlap(in_place, source->table[i] >> cluster_bits, 1,
					&hit))
			return refuse(plan, hit, "a bitmap that is to be read", err);
	return QCOW2BM_OK;
}

static enum qcow2bm_code check_sources(struct q2_plan *plan,
				       const struct q2_clusters *in_place,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; i < plan->content_count; i++) {
		const struct q2_content *content = &plan->contents[i];
		for (size_t k = 0; code == QCOW2BM_OK && k < content->source_count; k++)
			if (content->sources[k].image == plan->edit->image)
				code = check_source(plan, in_place, &content->sources[k],
						    err);
	}
	return code;
}

enum qcow2bm_code q2_apart_collect(const struct q2_plan *plan,
				   struct q2_clusters *in_place,
				   struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = plan->edit->image;
	const struct q2_header *header = &image->header;
	enum qcow2bm_code code = q2_clusters_add(in_place, 0, 1, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_add(in_place,
				       header->refcount_table_off >> header->cluster_bits,
				       header->refcount_table_clusters, err);
	for (uint64_t i = 0; code == QCOW2BM_OK && i < plan->refcounts.table_entries; i++)
		if (plan->refcounts.table[i] != 0)
			code = q2_clusters_add(
				in_place,
				plan->refcounts.table[i] >> header->cluster_bits, 1, err);
	return code == QCOW2BM_OK ? q2_clusters_sort(in_place, NULL, err) : code;
}

enum qcow2bm_code q2_apart_check(struct q2_plan *plan, const struct q2_clusters *in_place,
				 const struct q2_clusters *directory,
				 const struct q2_clusters *named,
				 struct qcow2bm_error *err)
{
	enum qcow2bm_code code = check_set(plan, in_place, &plan->refs.twice,
					   "another structure of the image", err);
	if (code == QCOW2BM_OK)
		code = check_set(plan, in_place, directory, "the bitmap directory", err);
	if (code == QCOW2BM_OK)
		code = check_set(plan, in_place, named, "the guest or a bitmap", err);
	if (code == QCOW2BM_OK)
		code = check_sources(plan, in_place, err);
	return code;
}
