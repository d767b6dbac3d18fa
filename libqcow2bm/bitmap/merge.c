/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Merging: one more source, or all sources of a staged bitmap, for another. */
#include "../base/error.h"
#include "../edit/edit.h"

static enum qcow2bm_code merge_from_other(struct qcow2bm_edit *edit,
					  struct q2_staged *target,
					  struct qcow2bm_image *source_image,
					  const char *source, size_t source_bytes,
					  struct qcow2bm_error *err)
{
	size_t idx = qcow2bm_bitmap_find(source_image, source, source_bytes);
	enum qcow2bm_code code =
		q2_edit_check_usable(source_image, idx, source, source_bytes, err);
	if (code != QCOW2BM_OK)
		return code;
	uint64_t have = edit->image->header.virtual_bytes;
	uint64_t theirs = source_image->header.virtual_bytes;
	if (have != theirs)
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"bitmaps are of different sizes (destination size is %llu, source size is %llu) and cannot be merged",
			(unsigned long long)have, (unsigned long long)theirs);
	return q2_edit_add_bitmap(edit, target, source_image, idx, err);
}

static enum qcow2bm_code add_source(struct qcow2bm_edit *edit, struct q2_staged *target,
				    const struct q2_edit_source *source,
				    struct qcow2bm_error *err)
{
	return source->kind != Q2_SOURCE_BITMAP
		       ? q2_edit_add_source(target, source, err)
		       : q2_edit_add_bitmap(edit, target, source->image, source->idx,
					    err);
}

enum qcow2bm_code qcow2bm_edit_merge(struct qcow2bm_edit *edit, const char *name,
				     size_t name_bytes,
				     struct qcow2bm_image *source_image,
				     const char *source, size_t source_bytes,
				     struct qcow2bm_error *err)
{
	struct q2_staged *target, *staged;
	enum qcow2bm_code code =
		q2_edit_find_usable(edit, name, name_bytes, &target, err);
	if (code != QCOW2BM_OK)
		return code;
	if (source_image != NULL && source_image != edit->image)
		return merge_from_other(edit, target, source_image, source, source_bytes,
					err);
	code = q2_edit_find_usable(edit, source, source_bytes, &staged, err);
	if (code != QCOW2BM_OK || staged == target)
		return code;
	bool kept_own = target->keeps_bits;
	size_t had_sources = target->source_count;
	if (staged->keeps_bits)
		code = q2_edit_add_bitmap(edit, target, edit->image,
					  staged->committed_idx, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < staged->source_count; i++)
		code = add_source(edit, target, &staged->sources[i], err);
	if (code != QCOW2BM_OK) {
		target->keeps_bits = kept_own;
		q2_edit_cut_sources(target, had_sources);
	}
	return code;
}
