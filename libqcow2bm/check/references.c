/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reference walk, window by window: who refers to which cluster of the file. */
#include "references.h"

#include <stdlib.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "bitmaps.h"
#include "drops.h"
#include "findings.h"
#include "lost.h"

struct walk {
	struct q2_survey survey;
	struct q2_check_refcounts refcounts;
	struct q2_check_mapping mapping;
	struct q2_check_structures structures;
	struct q2_check_bitmaps bitmaps;
};

static enum qcow2bm_code count(struct walk *walk, struct qcow2bm_error *err)
{
	struct q2_window *window = &walk->survey.window;
	enum qcow2bm_code code = q2_check_structures_count(&walk->structures, err);
	if (code == QCOW2BM_OK && window->is_first)
		code = q2_clusters_sort(&walk->structures.metadata, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_check_mapping_count(&walk->mapping, err);
	if (code == QCOW2BM_OK)
		code = q2_check_bitmaps_count(&walk->bitmaps, err);
	window->is_first = false;
	return code;
}

static enum qcow2bm_code walk_window(struct walk *walk, struct qcow2bm_error *err)
{
	struct q2_survey *survey = &walk->survey;
	enum qcow2bm_code code = count(walk, err);
	if (code == QCOW2BM_OK && !survey->is_quick) {
		q2_check_mapping_look_at_places(&walk->mapping);
		q2_check_refcounts_look_at_blocks(&walk->refcounts);
		code = q2_check_refcounts_compare(&walk->refcounts, err);
	}
	if (code == QCOW2BM_OK && (survey->window.is_marked || survey->is_quick))
		code = q2_check_bitmaps_look_closely(&walk->bitmaps, err);
	if (code == QCOW2BM_OK && !survey->is_quick)
		code = q2_check_mapping_look_at_flags(&walk->mapping, err);
	return code;
}

static uint64_t count_bytes(const struct walk *walk)
{
	const struct q2_refcounts *stored = &walk->refcounts.stored;
	uint64_t clusters = walk->mapping.count;
	for (uint64_t i = 0; i < stored->table_entries; i++)
		clusters += q2_refcounts_has_block(stored, i);
	return clusters << walk->survey.cluster_bits;
}

static enum qcow2bm_code walk_windows(struct walk *walk, unsigned window_shift,
				      struct qcow2bm_error *err)
{
	struct q2_window *window = &walk->survey.window;
	walk->survey.total_bytes = count_bytes(walk);
	enum qcow2bm_code code =
		q2_window_open(window, window_shift, walk->survey.clusters,
			       &walk->refcounts.stored, err);
	for (uint64_t i = 0; code == QCOW2BM_OK && i < window->windows; i++)
		if (q2_window_move(window, i))
			code = walk_window(walk, err);
	return code;
}

/* Once all is counted. */
static enum qcow2bm_code conclude(struct walk *walk, struct qcow2bm_error *err)
{
	const struct q2_check_refcounts *refcounts = &walk->refcounts;
	bool has_lost_data;
	q2_findings_add(&walk->bitmaps, refcounts->last_used);
	if (walk->survey.is_quick)
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_lost_look(&walk->bitmaps, &has_lost_data, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_findings_add_leaks(&walk->survey, &refcounts->leaked, has_lost_data);
	code = q2_drops_settle(&walk->bitmaps, &refcounts->stored, err);
	return code == QCOW2BM_OK ? q2_check_refcounts_find_behind(refcounts, err) : code;
}

/* Where refcounts, and the L1 and L2 tables unless the check is quick, are. */
static enum qcow2bm_code begin(struct walk *walk, struct qcow2bm_report *report,
			       const struct qcow2bm_check_options *options,
			       struct q2_watch *watch, struct qcow2bm_error *err)
{
	struct q2_survey *survey = &walk->survey;
	*walk = (struct walk){
		.mapping = {.survey = survey},
		.structures = {.survey = survey,
			       .mapping = &walk->mapping,
			       .refcounts = &walk->refcounts},
		.bitmaps = {.survey = survey, .structures = &walk->structures},
	};
	enum qcow2bm_code code = q2_survey_open(survey, report, options, watch, err);
	if (code == QCOW2BM_OK)
		code = q2_check_refcounts_open(&walk->refcounts, survey, err);
	if (code == QCOW2BM_OK && !survey->is_quick)
		code = q2_check_mapping_collect(&walk->mapping, survey, err);
	return code;
}

static void end(struct walk *walk)
{
	free(walk->bitmaps.bitmaps);
	q2_clusters_free(&walk->bitmaps.foreign);
	q2_clusters_free(&walk->structures.metadata);
	q2_check_mapping_free(&walk->mapping);
	q2_refcounts_close(&walk->refcounts.stored);
	q2_survey_close(&walk->survey);
}

enum qcow2bm_code q2_references_collect(struct qcow2bm_image *image,
					struct q2_clusters *areas,
					struct qcow2bm_error *err)
{
	/* Nobody asks for what is found on the way; without a window nothing is counted. */
	static const struct qcow2bm_check_options options = {0};
	struct qcow2bm_report report = {.image = image};
	struct walk walk;
	enum qcow2bm_code code = begin(&walk, &report, &options, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_check_structures_count(&walk.structures, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < walk.mapping.count; i++)
		code = q2_clusters_add(areas, walk.mapping.tables[i].cluster, 1, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(areas, &walk.structures.metadata, err);
	end(&walk);
	return code;
}

enum qcow2bm_code q2_references_run(struct qcow2bm_report *report,
				    const struct q2_layout *layouts,
				    const struct qcow2bm_check_options *options,
				    unsigned window_shift, struct q2_watch *watch,
				    struct qcow2bm_error *err)
{
	struct walk walk;
	enum qcow2bm_code code = begin(&walk, report, options, watch, err);
	walk.bitmaps.layouts = layouts;
	walk.bitmaps.bitmaps =
		calloc(report->image->directory.count + 1, sizeof(*walk.bitmaps.bitmaps));
	if (code == QCOW2BM_OK && walk.bitmaps.bitmaps == NULL)
		code = q2_fail_memory(err, "the reference walk");
	if (code == QCOW2BM_OK)
		code = walk_windows(&walk, window_shift, err);
	if (code == QCOW2BM_OK)
		code = conclude(&walk, err);
	if (code == QCOW2BM_OK)
		q2_watch_end(walk.survey.watch);
	end(&walk);
	return code;
}
