/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Merging: one more source, or all sources of a staged bitmap, for another. */
#include "../base/error.h"
#include "../edit/edit.h"

static enum qcow2bm_code check_sizes(const struct qcow2bm_edit *edit,
				     const struct qcow2bm_image *source_image,
				     struct qcow2bm_error *err)
{
	uint64_t have = edit->image->header.virtual_bytes;
	uint64_t theirs = source_image->header.virtual_bytes;
	if (have == theirs)
		return QCOW2BM_OK;
	return q2_fail(
		err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
		"bitmaps are of different sizes (destination size is %llu, source size is %llu) and cannot be merged",
		(unsigned long long)have, (unsigned long long)theirs);
}

static enum qcow2bm_code merge_from_other(struct qcow2bm_edit *edit,
					  struct q2_staged *target,
					  struct qcow2bm_image *source_image,
					  const char *source, size_t source_bytes,
					  struct qcow2bm_error *err)
{
	size_t idx = qcow2bm_bitmap_find(source_image, source, source_bytes);
	enum qcow2bm_code code =
		q2_edit_check_usable(source_image, idx, source, source_bytes, err);
	if (code == QCOW2BM_OK)
		code = check_sizes(edit, source_image, err);
	return code == QCOW2BM_OK
		       ? q2_edit_add_bitmap(edit, target, source_image, idx, err)
		       : code;
}

/* A source that goes through a bitmap of passed_bits into the target. */
static enum qcow2bm_code add_source(struct qcow2bm_edit *edit, struct q2_staged *target,
				    struct q2_edit_source source, uint8_t passed_bits,
				    struct qcow2bm_error *err)
{
	if (source.passed_bits < passed_bits)
		source.passed_bits = passed_bits;
	bool is_bitmap = source.kind == Q2_SOURCE_BITMAP;
	uint8_t own_bits = 0;
	if (is_bitmap)
		own_bits = source.image->directory.bitmaps[source.idx]
				   .entry.granularity_bits;
	if (source.passed_bits <= target->granularity_bits ||
	    source.passed_bits <= own_bits)
		source.passed_bits = 0;
	return is_bitmap && source.passed_bits == 0
		       ? q2_edit_add_bitmap(edit, target, source.image, source.idx, err)
		       : q2_edit_add_source(target, &source, err);
}

/* Adds all that a staged bitmap, of this edit or of another image's, consists of. What fails leaves
 * the target as it was. */
static enum qcow2bm_code add_staged(struct qcow2bm_edit *edit, struct q2_staged *target,
				    const struct qcow2bm_edit *from,
				    const struct q2_staged *staged,
				    struct qcow2bm_error *err)
{
	bool kept_own = target->keeps_bits;
	size_t had_sources = target->source_count;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (staged->keeps_bits)
		code = q2_edit_add_bitmap(edit, target, from->image,
					  staged->committed_idx, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < staged->source_count; i++)
		code = add_source(edit, target, staged->sources[i],
				  staged->granularity_bits, err);
	if (code != QCOW2BM_OK) {
		target->keeps_bits = kept_own;
		q2_edit_cut_sources(target, had_sources);
	}
	return code;
}

enum qcow2bm_code qcow2bm_edit_merge_staged(struct qcow2bm_edit *edit, const char *name,
					    size_t name_bytes,
					    const struct qcow2bm_edit *source_edit,
					    const char *source, size_t source_bytes,
					    struct qcow2bm_error *err)
{
	struct q2_staged *target, *staged;
	enum qcow2bm_code code =
		q2_edit_find_usable(edit, name, name_bytes, &target, err);
	if (code == QCOW2BM_OK)
		code = q2_edit_find_usable(source_edit, source, source_bytes, &staged,
					   err);
	if (code == QCOW2BM_OK)
		code = check_sizes(edit, source_edit->image, err);
	if (code == QCOW2BM_OK)
		code = q2_edit_check_sources_of(staged, err);
	return code != QCOW2BM_OK || staged == target
		       ? code
		       : add_staged(edit, target, source_edit, staged, err);
}

enum qcow2bm_code qcow2bm_edit_merge(struct qcow2bm_edit *edit, const char *name,
				     size_t name_bytes,
				     struct qcow2bm_image *source_image,
				     const char *source, size_t source_bytes,
				     struct qcow2bm_error *err)
{
	struct q2_staged *target;
	if (source_image == NULL || source_image == edit->image)
		return qcow2bm_edit_merge_staged(edit, name, name_bytes, edit, source,
						 source_bytes, err);
	enum qcow2bm_code code =
		q2_edit_find_usable(edit, name, name_bytes, &target, err);
	return code == QCOW2BM_OK ? merge_from_other(edit, target, source_image, source,
						     source_bytes, err)
				  : code;
}
