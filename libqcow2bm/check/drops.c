/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sets of clusters for a repair: what bitmaps use that are to be dropped. */
#include "drops.h"

#include "../clusters/refs.h"
#include "../format/table.h"
#include "../image/tables.h"

struct used {
	struct q2_clusters clusters;
	const struct qcow2bm_image *image;
};

static enum qcow2bm_code add_entry(void *opaque, uint32_t idx, uint64_t entry,
				   struct qcow2bm_error *err)
{
	struct used *used = opaque;
	(void)idx;
	if (!q2_tables_names_data(used->image, entry))
		return QCOW2BM_OK;
	return q2_clusters_add(&used->clusters, entry >> used->image->header.cluster_bits,
			       1, err);
}

static enum qcow2bm_code collect(const struct q2_check_bitmaps *bitmaps, size_t idx,
				 struct used *used, struct qcow2bm_error *err)
{
	const struct q2_bitmap *bitmap = &bitmaps->survey->image->directory.bitmaps[idx];
	used->image = bitmaps->survey->image;
	enum qcow2bm_code code = q2_refs_add_bytes(
		&used->clusters, bitmaps->survey->image, bitmap->entry.table_off,
		(uint64_t)bitmap->entry.table_entries * Q2_TABLE_ENTRY_BYTES, err);
	if (code == QCOW2BM_OK)
		code = q2_tables_visit(bitmaps->survey->image, bitmap, add_entry, used,
				       err);
	return code == QCOW2BM_OK ? q2_clusters_sort(&used->clusters, NULL, err) : code;
}

/* What nothing but dropped bitmaps refers to is free once they are gone. */
static enum qcow2bm_code free_used(const struct q2_check_bitmaps *bitmaps,
				   const struct q2_refcounts *refcounts,
				   struct q2_clusters *used, struct qcow2bm_error *err)
{
	const struct q2_directory *directory = &bitmaps->survey->image->directory;
	struct q2_clusters own = {0};
	enum qcow2bm_code code = q2_clusters_subtract(used, &bitmaps->foreign, err);
	if (code == QCOW2BM_OK)
		code = q2_refs_add_bytes(&own, bitmaps->survey->image, directory->off,
					 directory->size, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(used, &own, err);
	q2_clusters_free(&own);
	for (size_t i = 0; code == QCOW2BM_OK && i < used->count; i++)
		for (uint64_t c = 0; c < used->runs[i].count; c++)
			if (q2_refcounts_covers(refcounts, used->runs[i].first + c))
				q2_survey_keep(bitmaps->survey,
					       &bitmaps->survey->report->dropped,
					       used->runs[i].first + c);
	return code;
}

enum qcow2bm_code q2_drops_settle(struct q2_check_bitmaps *bitmaps,
				  const struct q2_refcounts *refcounts,
				  struct qcow2bm_error *err)
{
	struct qcow2bm_report *report = bitmaps->survey->report;
	enum qcow2bm_code code = q2_clusters_sort(&bitmaps->foreign, NULL, err);
	for (size_t i = 0;
	     code == QCOW2BM_OK && i < bitmaps->survey->image->directory.count; i++) {
		struct used used = {0};
		if (report->verdicts[i] != Q2_VERDICT_DROP ||
		    !bitmaps->layouts[i].is_read)
			continue;
		code = collect(bitmaps, i, &used, err);
		if (code == QCOW2BM_OK)
			code = q2_clusters_subtract(&report->low, &used.clusters, err);
		if (code == QCOW2BM_OK)
			code = q2_clusters_subtract(&report->high, &used.clusters, err);
		/* Without the knowledge of all other owners nothing is free. */
		if (code == QCOW2BM_OK && !report->is_partial)
			code = free_used(bitmaps, refcounts, &used.clusters, err);
		q2_clusters_free(&used.clusters);
	}
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&report->dropped, NULL, err);
	return code == QCOW2BM_OK ? q2_clusters_sort(&report->leaked, NULL, err) : code;
}
