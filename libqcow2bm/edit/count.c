/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting what an edit will leave dirty, before it is committed. */
#include "../base/checked.h"
#include "../base/error.h"
#include "../bits/count.h"
#include "content.h"

struct count {
	struct q2_content content;
	struct q2_content_buffers buffers;
	uint64_t disk_bytes;
	uint64_t dirty_bytes;
	struct q2_watch *watch;
};

/* The bytes of the disk that `ones` bits stand for, the last bit of the disk among them or not. */
static uint64_t bytes_of(const struct count *count, uint64_t ones, bool has_last)
{
	unsigned granularity_bits = count->content.staged->granularity_bits;
	uint64_t behind_end =
		(count->content.shape.bits << granularity_bits) - count->disk_bytes;
	return (ones << granularity_bits) - (has_last ? behind_end : 0);
}

static void add_all(struct count *count, uint64_t idx)
{
	const struct q2_table_shape *shape = &count->content.shape;
	uint64_t first = idx * shape->bits_per_cluster;
	uint64_t bits = q2_min_u64(shape->bits_per_cluster, shape->bits - first);
	count->dirty_bytes += bytes_of(count, bits, first + bits == shape->bits);
}

static enum qcow2bm_code add_batch(struct count *count, uint64_t idx, uint64_t clusters,
				   struct qcow2bm_error *err)
{
	const struct q2_table_shape *shape = &count->content.shape;
	enum qcow2bm_code code = q2_watch_look(count->watch, err);
	if (code == QCOW2BM_OK)
		code = q2_content_read(&count->content, idx, clusters, &count->buffers,
				       NULL, err);
	if (code != QCOW2BM_OK)
		return code;
	const uint64_t *words = count->buffers.words;
	uint64_t first = idx * shape->bits_per_cluster;
	uint64_t bits =
		q2_min_u64(clusters * shape->bits_per_cluster, shape->bits - first);
	const uint8_t *last = (const uint8_t *)words + (bits - 1) / 8;
	bool has_last = first + bits == shape->bits && (*last >> ((bits - 1) % 8) & 1);
	uint64_t ones = q2_count_ones(words, (size_t)q2_shift_up(bits, 6));
	count->dirty_bytes += bytes_of(count, ones, has_last);
	return QCOW2BM_OK;
}

static bool is_mixed(uint64_t entry)
{
	return entry != Q2_TABLE_ZEROS && entry != Q2_TABLE_ONES;
}

static enum qcow2bm_code add_entries(struct count *count, struct qcow2bm_error *err)
{
	const struct q2_content *content = &count->content;
	enum qcow2bm_code code = QCOW2BM_OK;
	uint64_t idx = 0;
	while (code == QCOW2BM_OK && idx < content->shape.entries) {
		uint64_t run = 0;
		while (run < count->buffers.clusters &&
		       idx + run < content->shape.entries &&
		       is_mixed(content->table[idx + run]))
			run++;
		if (run != 0)
			code = add_batch(count, idx, run, err);
		else if (content->table[idx] == Q2_TABLE_ONES)
			add_all(count, idx);
		idx += run == 0 ? 1 : run;
	}
	return code;
}

static enum qcow2bm_code count_staged(struct count *count, struct qcow2bm_edit *edit,
				      struct q2_staged *staged, struct qcow2bm_error *err)
{
	const struct q2_header *header = &edit->image->header;
	count->disk_bytes = header->virtual_bytes;
	enum qcow2bm_code code = q2_edit_check_sources_of(staged, err);
	if (code == QCOW2BM_OK)
		code = q2_content_plan(&count->content, edit, staged, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_content_make_buffers(&count->buffers, q2_header_cluster_bytes(header),
				       false, err);
	if (code == QCOW2BM_OK)
		code = add_entries(count, err);
	q2_content_free_buffers(&count->buffers);
	q2_content_free(&count->content);
	return code;
}

enum qcow2bm_code qcow2bm_edit_dirty_bytes(struct qcow2bm_edit *edit, size_t idx,
					   uint64_t *dirty_bytes,
					   const struct qcow2bm_watch *watch,
					   struct qcow2bm_error *err)
{
	struct q2_watch own;
	struct count count = {.watch = &own};
	enum qcow2bm_code code = q2_edit_enter(edit, err);
	if (code == QCOW2BM_OK && idx >= edit->changed_count)
		code = q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the edit has no change %zu", idx);
	if (code == QCOW2BM_OK)
		code = q2_watch_begin(&own, watch, "nothing was changed", err);
	if (code != QCOW2BM_OK)
		return code;
	struct q2_staged *staged = &edit->staged[edit->changed[idx]];
	if (!staged->is_deleted)
		code = count_staged(&count, edit, staged, err);
	if (code == QCOW2BM_OK)
		*dirty_bytes = count.dirty_bytes;
	return code;
}
