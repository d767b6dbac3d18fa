/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bits that an edit takes for true: what it merges, recovers, or keeps under another name or
 * flag. Where the tables of the guest's disk name their clusters too, they are not a bitmap's.
 */
#include "believed.h"

#include <stdlib.h>

#include "../base/error.h"
#include "../clusters/search.h"
#include "../clusters/structures.h"
#include "../image/tables.h"

typedef enum qcow2bm_code believed_fn(void *opaque, const struct q2_bitmap *bitmap,
				      struct qcow2bm_error *err);

static bool is_believed(const struct q2_source *source)
{
	return q2_source_kind(source) == Q2_SOURCE_BITMAP && source->table != NULL;
}

static enum qcow2bm_code each_source(const struct q2_plan *plan,
				     const struct qcow2bm_image *image, believed_fn *fn,
				     void *opaque, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; i < plan->content_count; i++) {
		const struct q2_content *content = &plan->contents[i];
		for (size_t k = 0; code == QCOW2BM_OK && k < content->source_count; k++) {
			const struct q2_source *source = &content->sources[k];
			if (source->image == image && is_believed(source))
				code = fn(opaque, source->bitmap, err);
		}
	}
	return code;
}

/* Bitmaps that get another entry, and keep their bits. */
static enum qcow2bm_code each_kept(const struct q2_plan *plan, believed_fn *fn,
				   void *opaque, struct qcow2bm_error *err)
{
	const struct qcow2bm_edit *edit = plan->edit;
	for (size_t i = 0; i < edit->changed_count; i++) {
		const struct q2_staged *staged = &edit->staged[edit->changed[i]];
		if (staged->is_deleted ||
		    staged->committed_idx == Q2_EDIT_NOT_COMMITTED ||
		    q2_edit_changes_content(staged))
			continue;
		const struct q2_bitmap *bitmap =
			&edit->image->directory.bitmaps[staged->committed_idx];
		enum qcow2bm_code code = fn(opaque, bitmap, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code each(const struct q2_plan *plan,
			      const struct qcow2bm_image *image, believed_fn *fn,
			      void *opaque, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = each_source(plan, image, fn, opaque, err);
	if (code == QCOW2BM_OK && image == plan->edit->image)
		code = each_kept(plan, fn, opaque, err);
	return code;
}

struct collection {
	struct qcow2bm_image *image;
	struct q2_clusters *set;
};

static enum qcow2bm_code collect_bitmap(void *opaque, const struct q2_bitmap *bitmap,
					struct qcow2bm_error *err)
{
	const struct collection *collection = opaque;
	return q2_refs_add_bitmap(collection->set, collection->image, bitmap, err);
}

static enum qcow2bm_code collect(const struct q2_plan *plan, struct qcow2bm_image *image,
				 struct q2_clusters *set, struct qcow2bm_error *err)
{
	struct collection collection = {image, set};
	enum qcow2bm_code code = each(plan, image, collect_bitmap, &collection, err);
	return code == QCOW2BM_OK ? q2_clusters_sort(set, NULL, err) : code;
}

/* The refusal names the first bitmap that is met. */
struct search {
	struct qcow2bm_image *image;
	const struct q2_clusters *guest;    /* what the L2 tables name */
	const struct q2_clusters *metadata; /* the L2 tables themselves, and more */
};

/* Refuses a bitmap one of whose clusters the guest or another structure has: its bits may be
 * written over. */
static enum qcow2bm_code check_bitmap(void *opaque, const struct q2_bitmap *bitmap,
				      struct qcow2bm_error *err)
{
	const struct search *search = opaque;
	const struct q2_directory_entry *entry = &bitmap->entry;
	struct q2_clusters set = {0};
	enum qcow2bm_code code = q2_refs_add_bitmap(&set, search->image, bitmap, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&set, NULL, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < set.count; i++) {
		const struct q2_run *run = &set.runs[i];
		uint64_t hit;
		if (!q2_clusters_overlap(search->guest, run->first, run->count, &hit) &&
		    !q2_clusters_overlap(search->metadata, run->first, run->count, &hit))
			continue;
		uint64_t off = hit << search->image->header.cluster_bits;
		code = q2_fail(
			err, QCOW2BM_EIMAGE, off,
			"bitmap '%.*s' is corrupt (its cluster at %llu belongs to the guest's disk, too)" QCOW2BM_SEE_CHECK,
			entry->name_bytes > 200 ? 200 : (int)entry->name_bytes,
			(const char *)entry->name, (unsigned long long)off);
	}
	q2_clusters_free(&set);
	return code;
}

/* A repair believes what a check has seen, and that has seen the guest's tables. */
static bool is_proven_here(const struct q2_plan *plan)
{
	return !plan->edit->repair.is_wanted &&
	       !(plan->flags & QCOW2BM_COMMIT_TRUST_REFCOUNTS);
}

enum qcow2bm_code q2_believed_collect(const struct q2_plan *plan, struct q2_clusters *set,
				      struct qcow2bm_error *err)
{
	return is_proven_here(plan) ? collect(plan, plan->edit->image, set, err)
				    : QCOW2BM_OK;
}

enum qcow2bm_code q2_believed_check(const struct q2_plan *plan,
				    const struct q2_clusters *guest,
				    struct qcow2bm_error *err)
{
	struct search search = {plan->edit->image, guest, &plan->refs.metadata};
	return is_proven_here(plan)
		       ? each(plan, plan->edit->image, check_bitmap, &search, err)
		       : QCOW2BM_OK;
}

/* ---- Sources in other images ---- */

/* The same proof for an image that only gives bits. */
static enum qcow2bm_code walk_other(const struct q2_plan *plan,
				    struct qcow2bm_image *image,
				    const struct q2_clusters *set,
				    struct qcow2bm_error *err)
{
	struct q2_refcounts refcounts;
	struct q2_structures refs = {0};
	struct q2_clusters guest = {0};
	struct search search = {image, &guest, &refs.metadata};
	enum qcow2bm_code code = q2_refcounts_open(&refcounts, image, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_structures_load(&refs, image, &refcounts, plan->watch, err);
	if (code == QCOW2BM_OK && plan->watch != NULL)
		plan->watch->total += q2_clusters_total(&refs.l2_tables)
				      << image->header.cluster_bits;
	if (code == QCOW2BM_OK)
		code = q2_search_find(image, &refs.l2_tables, set, &guest, plan->watch,
				      err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&guest, NULL, err);
	if (code == QCOW2BM_OK)
		code = each(plan, image, check_bitmap, &search, err);
	q2_clusters_free(&guest);
	q2_structures_free(&refs);
	q2_refcounts_close(&refcounts);
	return code;
}

/* The image that source k of content i is in, unless an earlier source is in it too. */
static struct qcow2bm_image *find_other(const struct q2_plan *plan, size_t i, size_t k)
{
	struct qcow2bm_image *image = plan->contents[i].sources[k].image;
	if (image == plan->edit->image || !is_believed(&plan->contents[i].sources[k]))
		return NULL;
	for (size_t a = 0; a <= i; a++) {
		const struct q2_content *content = &plan->contents[a];
		size_t count = a == i ? k : content->source_count;
		for (size_t b = 0; b < count; b++)
			if (content->sources[b].image == image &&
			    is_believed(&content->sources[b]))
				return NULL;
	}
	return image;
}

/* Who reads the sentence knows the edited image's name; its places and its check are not meant. */
static enum qcow2bm_code check_other(const struct q2_plan *plan,
				     struct qcow2bm_image *image,
				     struct qcow2bm_error *err)
{
	struct q2_clusters set = {0};
	struct qcow2bm_error cause = {.code = QCOW2BM_OK};
	enum qcow2bm_code code = collect(plan, image, &set, &cause);
	if (code == QCOW2BM_OK)
		code = walk_other(plan, image, &set, &cause);
	q2_clusters_free(&set);
	if (code != QCOW2BM_EIMAGE)
		return code == QCOW2BM_OK ? code : q2_pass(err, &cause);
	q2_drop_advice(&cause);
	return q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
		       "in the image of a source: %.300s", cause.sentence);
}

enum qcow2bm_code q2_believed_check_others(const struct q2_plan *plan,
					   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	if (!is_proven_here(plan))
		return QCOW2BM_OK;
	for (size_t i = 0; i < plan->content_count; i++) {
		size_t count = plan->contents[i].source_count;
		for (size_t k = 0; code == QCOW2BM_OK && k < count; k++) {
			struct qcow2bm_image *image = find_other(plan, i, k);
			if (image != NULL)
				code = check_other(plan, image, err);
		}
	}
	return code;
}
