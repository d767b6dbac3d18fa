/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The clusters of bitmaps and of their directory, and whose they are, too. */
#include "bitmaps.h"

#include "../base/checked.h"
#include "../format/table.h"
#include "../image/tables.h"

/* Calls fn for each cluster of the window that the bitmap refers to. */
struct visit {
	struct q2_check_bitmaps *bitmaps;
	struct q2_check_bitmap *bitmap;
	uint64_t table_off;
	void (*fn)(struct visit *visit, uint64_t cluster, uint64_t off);
};

static void visit_bytes(struct visit *visit, uint64_t off, uint64_t bytes)
{
	struct q2_survey *survey = visit->bitmaps->survey;
	q2_survey_expect(survey, off >> survey->cluster_bits, off);
	uint64_t first = q2_max_u64(off >> survey->cluster_bits, survey->window.first);
	uint64_t end = q2_min_u64(q2_shift_up(off + bytes, survey->cluster_bits),
				  q2_window_end(&survey->window));
	for (uint64_t cluster = first; cluster < end; cluster++)
		visit->fn(visit, cluster, cluster << survey->cluster_bits);
}

static enum qcow2bm_code visit_entry(void *opaque, uint32_t idx, uint64_t entry,
				     struct qcow2bm_error *err)
{
	struct visit *visit = opaque;
	struct q2_survey *survey = visit->bitmaps->survey;
	(void)err;
	uint64_t cluster = entry >> survey->cluster_bits;
	uint64_t off = visit->table_off + (uint64_t)idx * Q2_TABLE_ENTRY_BYTES;
	if (!q2_tables_names_data(survey->image, entry))
		return QCOW2BM_OK;
	q2_survey_expect(survey, cluster, off);
	if (q2_window_has(&survey->window, cluster))
		visit->fn(visit, cluster, off);
	return QCOW2BM_OK;
}

static enum qcow2bm_code visit_bitmap(struct visit *visit, size_t idx,
				      struct qcow2bm_error *err)
{
	struct q2_survey *survey = visit->bitmaps->survey;
	const struct q2_layout *layout = &visit->bitmaps->layouts[idx];
	const struct q2_bitmap *bitmap = &survey->image->directory.bitmaps[idx];
	if (!layout->is_read)
		return QCOW2BM_OK;
	visit->bitmap = &visit->bitmaps->bitmaps[idx];
	visit->table_off = bitmap->entry.table_off;
	visit_bytes(visit, bitmap->entry.table_off,
		    (uint64_t)bitmap->entry.table_entries * Q2_TABLE_ENTRY_BYTES);
	if (layout->lowest > layout->highest ||
	    (!survey->window.is_first &&
	     (layout->highest >> survey->cluster_bits < survey->window.first ||
	      layout->lowest >> survey->cluster_bits >= q2_window_end(&survey->window))))
		return QCOW2BM_OK;
	return q2_tables_visit(survey->image, bitmap, visit_entry, visit, err);
}

/* The directory first, then all bitmaps. */
static enum qcow2bm_code visit_bitmaps(struct visit *visit, struct qcow2bm_error *err)
{
	struct q2_survey *survey = visit->bitmaps->survey;
	const struct q2_directory *directory = &survey->image->directory;
	visit->bitmap = &visit->bitmaps->directory;
	if (directory->size != 0)
		visit_bytes(visit, directory->off, directory->size);
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < directory->count; i++) {
		code = q2_survey_ask(survey, err);
		if (code == QCOW2BM_OK)
			code = visit_bitmap(visit, i, err);
	}
	return code;
}

static void count_bitmap(struct visit *visit, uint64_t cluster, uint64_t off)
{
	(void)off;
	q2_window_count_bitmap(&visit->bitmaps->survey->window, cluster);
}

static bool is_metadata(const struct q2_check_structures *structures, uint64_t cluster)
{
	return q2_clusters_overlap(&structures->metadata, cluster, 1, NULL) ||
	       q2_check_mapping_is_l2(structures->mapping, cluster);
}

/* Whose is it too, when the counts say that something is wrong with a cluster of a bitmap? */
static void look_closely(struct visit *visit, uint64_t cluster, uint64_t off)
{
	struct q2_check_bitmaps *bitmaps = visit->bitmaps;
	const struct q2_window *window = &bitmaps->survey->window;
	struct q2_check_bitmap *bitmap = visit->bitmap;
	if (q2_window_has_mark(window, cluster, Q2_WINDOW_LOW))
		q2_tally_add(&bitmap->low, off);
	if (q2_window_has_mark(window, cluster, Q2_WINDOW_HIGH))
		q2_tally_add(&bitmap->high, off);
	if (q2_window_bitmaps(window, cluster) == 0)
		return;
	if (q2_window_others(window, cluster) != 0) {
		q2_tally_add(is_metadata(bitmaps->structures, cluster) ? &bitmap->metadata
								       : &bitmap->guest,
			     off);
		q2_survey_keep(bitmaps->survey, &bitmaps->foreign, cluster);
	}
	if (q2_window_bitmaps(window, cluster) > 1) {
		q2_tally_add(&bitmap->bitmaps, off);
		if (bitmap->bitmaps.count == 1)
			bitmap->shared_cluster = cluster;
		bitmap->shared_hits += bitmap->shared_cluster == cluster;
	}
}

enum qcow2bm_code q2_check_bitmaps_count(struct q2_check_bitmaps *bitmaps,
					 struct qcow2bm_error *err)
{
	struct visit visit = {.bitmaps = bitmaps, .fn = count_bitmap};
	return visit_bitmaps(&visit, err);
}

enum qcow2bm_code q2_check_bitmaps_look_closely(struct q2_check_bitmaps *bitmaps,
						struct qcow2bm_error *err)
{
	struct visit visit = {.bitmaps = bitmaps, .fn = look_closely};
	return visit_bitmaps(&visit, err);
}
