/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Planning the new table of a bitmap, cluster by cluster, from tables alone. */
#include "content.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"

static enum qcow2bm_code open_source(struct q2_source *source,
				     const struct q2_edit_source *staged,
				     struct qcow2bm_error *err)
{
	if (staged->kind == Q2_SOURCE_BITMAP)
		return q2_source_open_bitmap(source, staged->image, staged->idx, err);
	if (staged->kind == Q2_SOURCE_CARVED)
		return q2_source_open_carved(source, staged->image, staged->table_off,
					     staged->table_entries,
					     staged->granularity_bits, err);
	if (staged->kind == Q2_SOURCE_ALLOCATED)
		return q2_source_open_allocated(source, staged->image, err);
	if (staged->kind == Q2_SOURCE_BEHIND)
		q2_source_open_behind(source, staged->image, staged->from_bytes);
	else if (staged->kind == Q2_SOURCE_DIFFERS)
		q2_source_open_differs(source, staged->image, staged->differences);
	else
		q2_source_open_everything(source, staged->image);
	return QCOW2BM_OK;
}

/* What went through a coarser bitmap than the new one shows it. */
static enum qcow2bm_code open_passed(struct q2_source *source,
				     const struct q2_edit_source *staged,
				     unsigned granularity_bits, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = open_source(source, staged, err);
	if (code != QCOW2BM_OK || staged->passed_bits <= granularity_bits)
		return code;
	code = q2_source_coarsen(source, staged->passed_bits, err);
	if (code != QCOW2BM_OK)
		q2_source_close(source);
	return code;
}

/* Opens the bitmap's own bits and all that are added to them. */
static enum qcow2bm_code open_sources(struct q2_content *content,
				      struct qcow2bm_edit *edit,
				      struct qcow2bm_error *err)
{
	const struct q2_staged *staged = content->staged;
	content->sources = calloc(staged->source_count + 1, sizeof(*content->sources));
	if (content->sources == NULL)
		return q2_fail_memory(err, "an edit");
	enum qcow2bm_code code = QCOW2BM_OK;
	if (staged->keeps_bits) {
		code = q2_source_open_bitmap(&content->sources[0], edit->image,
					     staged->committed_idx, err);
		content->source_count += code == QCOW2BM_OK;
	}
	for (size_t i = 0; code == QCOW2BM_OK && i < staged->source_count; i++) {
		code = open_passed(&content->sources[content->source_count],
				   &staged->sources[i], staged->granularity_bits, err);
		content->source_count += code == QCOW2BM_OK;
	}
	return code;
}

static bool is_partial(const struct q2_content *content, uint64_t idx)
{
	return (idx + 1) * content->shape.bits_per_cluster > content->shape.bits;
}

/* Whether cluster idx of the source's data is cluster idx of the new content's. */
static bool is_same_layout(const struct q2_content *content,
			   const struct q2_source *source)
{
	return source->bitmap != NULL &&
	       source->granularity_bits == content->staged->granularity_bits &&
	       source->shape.bits_per_cluster == content->shape.bits_per_cluster;
}

static struct q2_source_range range_of(const struct q2_content *content,
				       const struct q2_source *source, uint64_t idx)
{
	uint64_t first = idx * content->shape.bits_per_cluster;
	uint64_t bits =
		q2_min_u64(content->shape.bits_per_cluster, content->shape.bits - first);
	return q2_convert_range(source, content->staged->granularity_bits, first, bits);
}

uint64_t q2_content_read_bytes(const struct q2_content *content, uint64_t idx)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < content->source_count; i++) {
		const struct q2_source *source = &content->sources[i];
		struct q2_source_range range = range_of(content, source, idx);
		if (q2_source_classify(source, range.first, range.bits) !=
		    Q2_UNIFORM_ZEROS)
			bytes += q2_source_cost(source, range.bits);
	}
	return bytes;
}

bool q2_content_may_be_unchanged(const struct q2_content *content)
{
	if (!content->staged->keeps_bits)
		return false;
	for (uint64_t i = 0; i < content->shape.entries; i++)
		if (content->table[i] != Q2_CONTENT_COMPUTE &&
		    content->table[i] != content->sources[0].table[i])
			return false;
	return true;
}

/* What a new table entry becomes, as far as the tables of the sources tell: zeros, ones, the one
 * source's cluster, or computed. */
static uint64_t plan_entry(struct q2_content *content, uint64_t idx)
{
	const struct q2_source *only =
		NULL; /* the one source that is not all-zero here */
	size_t others = 0;
	for (size_t i = 0; i < content->source_count; i++) {
		const struct q2_source *source = &content->sources[i];
		struct q2_source_range range = range_of(content, source, idx);
		enum q2_uniform uniform =
			q2_source_classify(source, range.first, range.bits);
		if (uniform == Q2_UNIFORM_ZEROS)
			continue;
		if (uniform == Q2_UNIFORM_ONES && !is_partial(content, idx))
			return Q2_TABLE_ONES;
		others += only != NULL;
		only = source;
	}
	if (only == NULL)
		return Q2_TABLE_ZEROS;
	if (others == 0 && content->staged->keeps_bits && only == &content->sources[0]) {
		assert(only->table != NULL);
		return only->table[idx];
	}
	content->compute_count++;
	content->read_bytes += q2_content_read_bytes(content, idx);
	return Q2_CONTENT_COMPUTE;
}

enum qcow2bm_code q2_content_plan(struct q2_content *content, struct qcow2bm_edit *edit,
				  struct q2_staged *staged, struct qcow2bm_error *err)
{
	const struct q2_header *header = &edit->image->header;
	*content = (struct q2_content){
		.staged = staged,
		.shape = q2_table_shape(header->virtual_bytes, staged->granularity_bits,
					header->cluster_bits),
	};
	content->table =
		malloc((size_t)(content->shape.entries + 1) * sizeof(*content->table));
	enum qcow2bm_code code = content->table == NULL
					 ? q2_fail_memory(err, "a bitmap table")
					 : open_sources(content, edit, err);
	for (uint64_t i = 0; code == QCOW2BM_OK && i < content->shape.entries; i++)
		content->table[i] = plan_entry(content, i);
	if (code != QCOW2BM_OK)
		q2_content_free(content);
	return code;
}

/* The staged bitmap of a source that loses its content in this edit, or NULL. */
static struct q2_staged *find_loser(struct qcow2bm_edit *edit,
				    const struct q2_source *source)
{
	if (source->image != edit->image || q2_source_kind(source) != Q2_SOURCE_BITMAP)
		return NULL;
	size_t idx = (size_t)(source->bitmap - edit->image->directory.bitmaps);
	struct q2_staged *staged = &edit->staged[idx];
	return staged->is_deleted || !staged->keeps_bits ? staged : NULL;
}

/* The source of whose one data cluster entry idx would be a plain copy, or NULL. */
static const struct q2_source *find_copied(const struct q2_content *content, uint64_t idx)
{
	const struct q2_source *only = NULL;
	for (size_t i = 0; i < content->source_count; i++) {
		const struct q2_source *source = &content->sources[i];
		struct q2_source_range range = range_of(content, source, idx);
		if (q2_source_classify(source, range.first, range.bits) ==
		    Q2_UNIFORM_ZEROS)
			continue;
		if (only != NULL || !is_same_layout(content, source) ||
		    !q2_table_is_data(source->table[idx]))
			return NULL;
		only = source;
	}
	return only;
}

void q2_content_take_over(struct q2_content *content, struct qcow2bm_edit *edit,
			  const struct q2_clusters *owned)
{
	unsigned cluster_bits = edit->image->header.cluster_bits;
	for (uint64_t i = 0; i < content->shape.entries; i++) {
		if (content->table[i] != Q2_CONTENT_COMPUTE)
			continue;
		const struct q2_source *copied = find_copied(content, i);
		struct q2_staged *loser =
			copied == NULL ? NULL : find_loser(edit, copied);
		if (loser == NULL ||
		    (loser->heir != NULL && loser->heir != content->staged) ||
		    !q2_clusters_overlap(owned, copied->table[i] >> cluster_bits, 1,
					 NULL))
			continue;
		loser->heir = content->staged;
		content->table[i] = copied->table[i];
		content->compute_count--;
		content->read_bytes -= q2_content_read_bytes(content, i);
	}
}

enum qcow2bm_code q2_content_reserve(struct q2_content *content, struct q2_alloc *alloc,
				     unsigned cluster_bits, struct qcow2bm_error *err)
{
	content->table_clusters =
		q2_shift_up(content->shape.entries * Q2_TABLE_ENTRY_BYTES, cluster_bits);
	enum qcow2bm_code code =
		q2_alloc_take(alloc, content->table_clusters, &content->table_first, err);
	if (code == QCOW2BM_OK)
		code = q2_alloc_take_any(alloc, content->compute_count, &content->data,
					 err);
	return code;
}

void q2_content_free(struct q2_content *content)
{
	for (size_t i = 0; i < content->source_count; i++)
		q2_source_close(&content->sources[i]);
	free(content->sources);
	free(content->table);
	q2_clusters_free(&content->data);
	memset(content, 0, sizeof(*content));
}
