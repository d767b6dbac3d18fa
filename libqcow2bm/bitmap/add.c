/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Adding an empty bitmap. */
#include "../base/error.h"
#include "../clusters/soundness.h"
#include "../edit/edit.h"
#include "../format/table.h"

/* QEMU's default: the cluster size, between these. */
#define DEFAULT_MIN_GRANULARITY_BITS 12
#define DEFAULT_MAX_GRANULARITY_BITS 16

unsigned qcow2bm_image_default_granularity_bits(const struct qcow2bm_image *image)
{
	unsigned bits = image->header.cluster_bits;
	if (bits < DEFAULT_MIN_GRANULARITY_BITS)
		return DEFAULT_MIN_GRANULARITY_BITS;
	if (bits > DEFAULT_MAX_GRANULARITY_BITS)
		return DEFAULT_MAX_GRANULARITY_BITS;
	return bits;
}

/* What QEMU would refuse to load is not made. */
static enum qcow2bm_code check_size(const struct qcow2bm_image *image,
				    unsigned granularity_bits, struct qcow2bm_error *err)
{
	if (image->header.virtual_bytes == 0)
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			"a disk of 0 bytes cannot have bitmaps: QEMU would lose them");
	if (granularity_bits < Q2_DIRECTORY_MIN_GRANULARITY_BITS)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "granularity is under minimum (%u bytes)",
			       1u << Q2_DIRECTORY_MIN_GRANULARITY_BITS);
	if (granularity_bits > Q2_DIRECTORY_MAX_GRANULARITY_BITS)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "granularity exceeds maximum (%u bytes)",
			       1u << Q2_DIRECTORY_MAX_GRANULARITY_BITS);
	struct q2_table_shape shape =
		q2_table_shape(image->header.virtual_bytes, granularity_bits,
			       image->header.cluster_bits);
	if (shape.entries > Q2_TABLE_MAX_BITMAP_BYTES >> image->header.cluster_bits)
		return q2_fail(
			err, QCOW2BM_ELIMIT, QCOW2BM_NO_OFFSET,
			"too much space will be occupied by the bitmap (%llu bytes, QEMU allows %llu); use larger granularity",
			(unsigned long long)shape.bytes, Q2_TABLE_MAX_BITMAP_BYTES);
	return QCOW2BM_OK;
}

/* A new bitmap beside others that cannot be trusted would be a new directory, which hides why. */
static enum qcow2bm_code check_others(const struct qcow2bm_edit *edit,
				      struct qcow2bm_error *err)
{
	const struct q2_directory *directory = &edit->image->directory;
	enum qcow2bm_code code = q2_soundness_judge(edit->image, err);
	if (code != QCOW2BM_OK || directory->evidence == NULL)
		return code;
	for (size_t i = 0; i < directory->count; i++)
		if (!edit->staged[i].is_deleted)
			return q2_fail(
				err, QCOW2BM_EIMAGE, directory->bitmaps[i].off,
				"the image's bitmaps are all corrupt (%s)" QCOW2BM_SEE_CHECK,
				directory->evidence);
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_edit_add(struct qcow2bm_edit *edit, const char *name,
				   size_t name_bytes, unsigned granularity_bits,
				   bool enabled, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_edit_check_new_name(edit, name, name_bytes, err);
	if (code == QCOW2BM_OK)
		code = check_size(edit->image, granularity_bits, err);
	if (code == QCOW2BM_OK)
		code = check_others(edit, err);
	struct q2_staged *staged;
	if (code == QCOW2BM_OK)
		code = q2_edit_append(edit, name, name_bytes, &staged, err);
	if (code != QCOW2BM_OK)
		return code;
	staged->granularity_bits = (uint8_t)granularity_bits;
	staged->flags = enabled ? Q2_DIRECTORY_FLAG_AUTO : 0;
	return QCOW2BM_OK;
}
