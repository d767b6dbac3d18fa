/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaked clusters that may be data which a bitmap has lost. Either its table has an entry without
 * data, and they hold what could stand there; or it names a cluster that may be another's: something
 * of the bitmaps is damaged, so that nobody knows what it named, or a leaked table names it, too. An
 * edit that was cut off leaves leaked clusters, too, but then the directory that leads to them is
 * leaked as well.
 */
#include "lost.h"

#include "../base/endian.h"
#include "../format/table.h"
#include "../image/tables.h"
#include "explained.h"

struct lost {
	struct q2_survey *survey;
	const struct q2_check_bitmaps *bitmaps;
	struct q2_explained explained;
	size_t cluster_bytes;
	bool lacks_data;    /* a bitmap that is to stay may lack a cluster of data */
	bool has_lost_data; /* one of the leaked clusters may be its data */
};

static bool is_claimed(const struct q2_check_bitmaps *bitmaps, size_t idx)
{
	const struct q2_bitmap *bitmap = &bitmaps->survey->image->directory.bitmaps[idx];
	return bitmaps->layouts[idx].is_read &&
	       bitmaps->survey->report->verdicts[idx] != Q2_VERDICT_DROP &&
	       (bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE) == 0;
}

/* Where one place of the bitmaps is damaged another may be: what stood there before may by now be
 * named by a bitmap that looks sound, whose own is leaked then. What the damaged places explain is
 * explained.c's to find. */
static bool has_damage(const struct qcow2bm_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct qcow2bm_problem *problem = &report->findings[i].problem;
		if (problem->severity == QCOW2BM_SEVERITY_ERROR &&
		    (problem->area == QCOW2BM_AREA_DIRECTORY ||
		     problem->area == QCOW2BM_AREA_BITMAP))
			return true;
	}
	return false;
}

/* Says which bitmaps are to stay, and whether one of them may lack a cluster. How much of the last
 * cluster the disk uses is no help: the granularity may be damaged, too. */
static enum qcow2bm_code collect_claimed(struct lost *lost, struct qcow2bm_error *err)
{
	const struct q2_check_bitmaps *bitmaps = lost->bitmaps;
	const struct qcow2bm_image *image = lost->survey->image;
	bool is_damaged = has_damage(lost->survey->report);
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < image->directory.count; i++) {
		if (!is_claimed(bitmaps, i))
			continue;
		lost->lacks_data |= is_damaged || bitmaps->layouts[i].has_room;
		code = q2_explained_claim(&lost->explained, i, err);
	}
	return code;
}

/* Whether it reads as a table as far as it names a cluster that a bitmap has; what stands behind the
 * entries is anything. */
static bool names_claimed(const struct lost *lost, const uint8_t *bytes)
{
	const struct qcow2bm_image *image = lost->survey->image;
	for (size_t at = 0; at < lost->cluster_bytes; at += Q2_TABLE_ENTRY_BYTES) {
		uint64_t entry = q2_be64_load(bytes + at);
		if (entry <= Q2_TABLE_ONES)
			continue;
		if (!q2_tables_names_data(image, entry))
			return false;
		if (q2_clusters_overlap(&lost->explained.claimed,
					entry >> lost->survey->cluster_bits, 1, NULL))
			return true;
	}
	return false;
}

/* Clusters that read as zeros hold no bits: nobody stores those. */
static bool can_be_data(const struct lost *lost, const uint8_t *bytes)
{
	size_t at = 0;
	while (at < lost->cluster_bytes && bytes[at] == 0)
		at++;
	return lost->lacks_data && at < lost->cluster_bytes;
}

static enum qcow2bm_code look(void *opaque, uint64_t cluster, const uint8_t *bytes,
			      bool *is_done, struct qcow2bm_error *err)
{
	struct lost *lost = opaque;
	(void)cluster;
	(void)err;
	lost->has_lost_data = can_be_data(lost, bytes) || names_claimed(lost, bytes);
	*is_done = lost->has_lost_data;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_lost_look(const struct q2_check_bitmaps *bitmaps,
			       bool *has_lost_data, struct qcow2bm_error *err)
{
	*has_lost_data = false;
	struct q2_survey *survey = bitmaps->survey;
	struct lost lost = {.survey = survey,
			    .bitmaps = bitmaps,
			    .explained = {.bitmaps = bitmaps},
			    .cluster_bytes = (size_t)1 << survey->cluster_bits};
	struct q2_clusters *leaked = &survey->report->leaked;
	enum qcow2bm_code code = q2_clusters_sort(leaked, NULL, err);
	if (code != QCOW2BM_OK || leaked->count == 0)
		return code;
	code = collect_claimed(&lost, err);
	if (code == QCOW2BM_OK)
		code = q2_explained_find(&lost.explained, err);
	if (code == QCOW2BM_OK)
		code = q2_survey_visit(survey, &lost.explained.rest, look, &lost, err);
	*has_lost_data = lost.has_lost_data;
	q2_explained_free(&lost.explained);
	return code;
}
