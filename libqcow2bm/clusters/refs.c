/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Collecting the clusters that a bitmap refers to. */
#include "refs.h"

#include <stdlib.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../format/table.h"
#include "../image/tables.h"

enum qcow2bm_code q2_refs_add_bytes(struct q2_clusters *set,
				    const struct qcow2bm_image *image, uint64_t off,
				    uint64_t bytes, struct qcow2bm_error *err)
{
	unsigned bits = image->header.cluster_bits;
	uint64_t first = off >> bits;
	return q2_clusters_add(set, first, q2_shift_up(off + bytes, bits) - first, err);
}

struct naming {
	const struct qcow2bm_image *image;
	const struct q2_clusters *wanted; /* NULL: all are */
	struct q2_clusters *named;
};

static enum qcow2bm_code add_wanted(const struct naming *naming, uint64_t first,
				    uint64_t clusters, struct qcow2bm_error *err)
{
	uint64_t end = first + clusters, hit;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (naming->wanted == NULL)
		return q2_clusters_add(naming->named, first, clusters, err);
	while (code == QCOW2BM_OK && first < end &&
	       q2_clusters_overlap(naming->wanted, first, end - first, &hit)) {
		code = q2_clusters_add(naming->named, hit, 1, err);
		first = hit + 1;
	}
	return code;
}

static enum qcow2bm_code add_data(void *opaque, uint32_t idx, uint64_t entry,
				  struct qcow2bm_error *err)
{
	const struct naming *naming = opaque;
	(void)idx;
	return q2_table_is_data(entry)
		       ? add_wanted(naming, entry >> naming->image->header.cluster_bits,
				    1, err)
		       : QCOW2BM_OK;
}

/* Of a bitmap that cannot be read nothing is added: its table is looked at before. */
static enum qcow2bm_code add_named(const struct naming *naming,
				   const struct q2_bitmap *bitmap,
				   struct qcow2bm_error *err)
{
	unsigned cluster_bits = naming->image->header.cluster_bits;
	uint64_t off = bitmap->entry.table_off;
	uint64_t bytes = (uint64_t)bitmap->entry.table_entries * Q2_TABLE_ENTRY_BYTES;
	enum qcow2bm_code code = q2_tables_scan(naming->image, bitmap, NULL, NULL, err);
	if (code == QCOW2BM_OK)
		code = add_wanted(naming, off >> cluster_bits,
				  q2_shift_up(bytes, cluster_bits), err);
	return code == QCOW2BM_OK ? q2_tables_scan(naming->image, bitmap, add_data,
						   (void *)naming, err)
				  : code;
}

enum qcow2bm_code q2_refs_add_bitmap(struct q2_clusters *set,
				     const struct qcow2bm_image *image,
				     const struct q2_bitmap *bitmap,
				     struct qcow2bm_error *err)
{
	struct naming naming = {image, NULL, set};
	return add_named(&naming, bitmap, err);
}

enum qcow2bm_code q2_refs_find_in_bitmap(const struct qcow2bm_image *image,
					 const struct q2_bitmap *bitmap,
					 const struct q2_clusters *wanted,
					 struct q2_clusters *named,
					 struct qcow2bm_error *err)
{
	struct naming naming = {image, wanted, named};
	return add_named(&naming, bitmap, err);
}

/* What lies past the end of the file begins there, or where [off, ...) does. */
static void note_cut(const struct qcow2bm_image *image, uint64_t off, uint64_t bytes,
		     uint64_t *cut_off)
{
	if (!q2_checked_within(off, bytes, image->file_bytes))
		*cut_off = q2_min_u64(*cut_off, q2_max_u64(off, image->file_bytes));
}

struct survey {
	struct qcow2bm_image *image;
	const struct q2_bitmap *bitmap;
	struct q2_clusters *named;
	uint64_t *cut_off;
};

static enum qcow2bm_code survey_entry(void *opaque, uint32_t idx, uint64_t entry,
				      struct qcow2bm_error *err)
{
	const struct survey *survey = opaque;
	const struct qcow2bm_image *image = survey->image;
	entry &= Q2_TABLE_OFFSET_MASK;
	if (entry == 0)
		return QCOW2BM_OK;
	note_cut(image, entry, q2_tables_needed_bytes(image, survey->bitmap, idx),
		 survey->cut_off);
	return q2_clusters_add(survey->named, entry >> image->header.cluster_bits, 1,
			       err);
}

enum qcow2bm_code q2_refs_survey_bitmap(struct qcow2bm_image *image,
					const struct q2_bitmap *bitmap,
					struct q2_clusters *named, uint64_t *cut_off,
					struct qcow2bm_error *err)
{
	struct survey survey = {image, bitmap, named, cut_off};
	uint64_t off = bitmap->entry.table_off;
	uint64_t bytes = (uint64_t)bitmap->entry.table_entries * Q2_TABLE_ENTRY_BYTES;
	if (!q2_tables_has_place(image, &bitmap->entry) || off > INT64_MAX)
		return QCOW2BM_OK;
	note_cut(image, off, bytes, cut_off);
	enum qcow2bm_code code = q2_refs_add_bytes(named, image, off, bytes, err);
	return code == QCOW2BM_OK
		       ? q2_tables_visit(image, bitmap, survey_entry, &survey, err)
		       : code;
}
