/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what the reference walk has seen to findings. */
#include <inttypes.h>

#include "../base/checked.h"
#include "../clusters/evidence.h"
#include "findings.h"

/* What else has the clusters of a bitmap. */
static void add_overlaps(const struct q2_check_bitmaps *bitmaps, size_t idx)
{
	const struct q2_check_bitmap *bitmap = &bitmaps->bitmaps[idx];
	if (bitmap->metadata.count != 0)
		q2_problems_add(
			bitmaps->survey->report, Q2_PROBLEM_OVERLAP_METADATA, idx,
			bitmap->metadata.first_off,
			"%" PRIu64
			" of its clusters belong to the image's own structures, too",
			bitmap->metadata.count);
	if (bitmap->guest.count != 0)
		q2_problems_add(bitmaps->survey->report, Q2_PROBLEM_OVERLAP_GUEST, idx,
				bitmap->guest.first_off,
				"%" PRIu64 " of its clusters hold the guest's data, too",
				bitmap->guest.count);
	if (bitmap->bitmaps.count != 0 && bitmap->shared_hits > 1)
		q2_problems_add(
			bitmaps->survey->report, Q2_PROBLEM_OVERLAP_ITSELF, idx,
			bitmap->bitmaps.first_off,
			"it names a cluster of its own more than once (in %" PRIu64
			" places)",
			bitmap->bitmaps.count);
	else if (bitmap->bitmaps.count != 0)
		q2_problems_add(
			bitmaps->survey->report, Q2_PROBLEM_OVERLAP_BITMAP, idx,
			bitmap->bitmaps.first_off,
			"%" PRIu64
			" of its clusters belong to another bitmap or to the directory, too",
			bitmap->bitmaps.count);
}

/* Refcounts of a bitmap's clusters that are not 1. */
static void add_refcounts(const struct q2_check_bitmaps *bitmaps, size_t idx)
{
	const struct q2_check_bitmap *bitmap = &bitmaps->bitmaps[idx];
	bool is_surplus = bitmaps->survey->image->directory.bitmaps[idx].is_surplus;
	if (bitmap->low.count != 0)
		q2_problems_add(
			bitmaps->survey->report,
			is_surplus ? Q2_PROBLEM_REFCOUNT_ZERO_SURPLUS
				   : Q2_PROBLEM_REFCOUNT_ZERO,
			idx, bitmap->low.first_off,
			"%" PRIu64
			" of its clusters are counted as free: the next write may go over them",
			bitmap->low.count);
	if (bitmap->high.count != 0)
		q2_problems_add(
			bitmaps->survey->report,
			bitmaps->survey->report->has_unknown_owner
				? Q2_PROBLEM_REFCOUNT_HIGH_UNOWNED
				: Q2_PROBLEM_REFCOUNT_HIGH,
			idx, bitmap->high.first_off,
			"%" PRIu64
			" of its clusters have a refcount over 1: they would never be freed",
			bitmap->high.count);
}

/* The same for the directory's own clusters. */
static void add_directory(const struct q2_check_bitmaps *bitmaps)
{
	const struct q2_check_bitmap *directory = &bitmaps->directory;
	struct q2_tally overlap =
		directory->metadata.count != 0 ? directory->metadata : directory->guest;
	if (overlap.count != 0)
		q2_problems_add(bitmaps->survey->report, Q2_PROBLEM_DIRECTORY_OVERLAP,
				QCOW2BM_NOT_FOUND, overlap.first_off,
				"the bitmap directory lies where %s",
				directory->metadata.count != 0
					? "another structure of the image is"
					: "data of the guest is");
	else if (directory->bitmaps.count != 0)
		q2_problems_add(
			bitmaps->survey->report, Q2_PROBLEM_DIRECTORY_OVERLAP_BITMAP,
			QCOW2BM_NOT_FOUND, directory->bitmaps.first_off,
			"the bitmap directory lies where the table or data of a bitmap is");
	if (directory->low.count != 0)
		q2_problems_add(
			bitmaps->survey->report, Q2_PROBLEM_DIRECTORY_REFCOUNT_ZERO,
			QCOW2BM_NOT_FOUND, directory->low.first_off,
			"the bitmap directory is counted as free: the next write may go over it");
	if (directory->high.count != 0)
		q2_problems_add(
			bitmaps->survey->report, Q2_PROBLEM_DIRECTORY_REFCOUNT_HIGH,
			QCOW2BM_NOT_FOUND, directory->high.first_off,
			"the bitmap directory has a refcount over 1: it would never be freed");
}

static const char *const guest_sentences[Q2_PROBLEMS - Q2_PROBLEM_FIRST_GUEST] = {
#define SENTENCE(id, text) [Q2_PROBLEM_GUEST_##id - Q2_PROBLEM_FIRST_GUEST] = (text)
	SENTENCE(L1_PLACE, "L1 tables of the disk or of snapshots are misplaced"),
	SENTENCE(L1_ENTRY, "L1 entries are invalid"),
	SENTENCE(L2_PLACE, "L2 tables lie where something else is, too"),
	SENTENCE(L2_ENTRY, "L2 entries are invalid"),
	SENTENCE(DATA_PAST_END, "L2 entries name data past the end of the file"),
	SENTENCE(COPIED,
		 "L1 or L2 entries are wrong about the refcount of what they name"),
	SENTENCE(SNAPSHOTS, "the table of internal snapshots is damaged"),
	SENTENCE(ENCRYPTION, "the place of the encryption header is damaged"),
	SENTENCE(REFCOUNT_TABLE, "refcount blocks are misplaced"),
	SENTENCE(REFCOUNT_LOW, "clusters in use have refcounts that are too low"),
	SENTENCE(REFCOUNT_HIGH, "clusters of the guest have refcounts that are too high"),
#undef SENTENCE
};

/* What was tallied of the guest's structures, one problem for each kind. */
static void add_guest(const struct q2_survey *survey)
{
	struct qcow2bm_report *report = survey->report;
	for (size_t i = 0; i < Q2_PROBLEMS - Q2_PROBLEM_FIRST_GUEST; i++) {
		enum q2_problem_id id = (enum q2_problem_id)(Q2_PROBLEM_FIRST_GUEST + i);
		const struct q2_tally *tally = &survey->guest[i];
		if (tally->count == 0)
			continue;
		q2_problems_add(report, id, QCOW2BM_NOT_FOUND, tally->first_off,
				"%s: %" PRIu64, guest_sentences[i], tally->count);
		if (id == Q2_PROBLEM_GUEST_REFCOUNT_HIGH)
			continue;
		report->guest_is_sound = false;
		/* Those were counted one by one; of overlaps q2_problems_finish() knows. */
		if (id != Q2_PROBLEM_GUEST_REFCOUNT_LOW &&
		    q2_problem_table_find(id)->corruption == Q2_CORRUPTION_NONE)
			report->totals.corruptions += tally->count;
	}
}

/* Leaks, with the cure that what else was found allows. */
static void add_leaks(const struct q2_survey *survey, const struct q2_tally *leaked,
		      bool has_lost_data)
{
	struct qcow2bm_report *report = survey->report;
	uint64_t clusters = leaked->count;
	enum q2_problem_id id = Q2_PROBLEM_LEAKED;
	if (clusters == 0)
		return;
	if (report->has_unknown_owner)
		id = has_lost_data ? Q2_PROBLEM_LEAKED_UNOWNED_SUSPECT
				   : Q2_PROBLEM_LEAKED_UNOWNED;
	else if (has_lost_data)
		id = Q2_PROBLEM_LEAKED_SUSPECT;
	else if (!report->guest_is_sound)
		id = Q2_PROBLEM_LEAKED_UNSURE;
	q2_problems_add(
		report, id, QCOW2BM_NOT_FOUND, leaked->first_off,
		"clusters are counted as used, but nothing refers to them: %" PRIu64
		" (%" PRIu64 " bytes)%s%s",
		clusters, clusters << survey->cluster_bits,
		report->has_unknown_owner
			? "; what the header carries and nobody here knows may own them"
			: "",
		has_lost_data ? "; they may be data that the table of a bitmap has lost"
			      : "");
}

/* Clusters of bitmaps that are free by their refcounts. */
static uint64_t count_free(const struct q2_check_bitmaps *bitmaps)
{
	const struct qcow2bm_image *image = bitmaps->survey->image;
	uint64_t count = 0;
	if (q2_evidence_counts_free(image, NULL))
		count = bitmaps->directory.low.count;
	for (size_t i = 0; i < image->directory.count; i++)
		if (q2_evidence_counts_free(image, &image->directory.bitmaps[i]))
			count += bitmaps->bitmaps[i].low.count;
	return count;
}

/* A program that knows no bitmaps counts refcounts from the guest's tables alone, and makes the disk
 * larger or smaller: its writes are in no bitmap of the image. */
static void add_foreign_writer(const struct q2_check_bitmaps *bitmaps)
{
	struct qcow2bm_report *report = bitmaps->survey->report;
	uint64_t free_clusters = count_free(bitmaps);
	bool has_more = false;
	for (size_t i = 0; i < bitmaps->survey->image->directory.count; i++)
		has_more |= report->verdicts[i] != Q2_VERDICT_DROP;
	if (!has_more || (free_clusters == 0 && report->unfit_tables == 0))
		return;
	q2_problems_add(
		report, Q2_PROBLEM_FOREIGN_WRITER, QCOW2BM_NOT_FOUND, QCOW2BM_NO_OFFSET,
		"a program that knows no bitmaps may have written to the disk, or places of bitmaps are damaged: clusters of theirs that are counted as free: %" PRIu64
		", tables that fit another size of the disk: %zu",
		free_clusters, report->unfit_tables);
}

static void finish_totals(const struct q2_survey *survey, uint64_t last_used)
{
	struct qcow2bm_totals *totals = &survey->report->totals;
	const struct q2_header *header = &survey->image->header;
	totals->clusters = q2_shift_up(header->virtual_bytes, survey->cluster_bits);
	if (!survey->is_quick)
		totals->image_end_bytes = (last_used + 1) << survey->cluster_bits;
	totals->walked = !survey->is_quick;
}

void q2_findings_add(const struct q2_check_bitmaps *bitmaps, uint64_t last_used)
{
	const struct q2_survey *survey = bitmaps->survey;
	for (size_t i = 0; i < survey->image->directory.count; i++) {
		add_overlaps(bitmaps, i);
		add_refcounts(bitmaps, i);
	}
	add_directory(bitmaps);
	add_foreign_writer(bitmaps);
	add_guest(survey);
	finish_totals(survey, last_used);
}

void q2_findings_add_leaks(const struct q2_survey *survey, const struct q2_tally *leaked,
			   bool has_lost_data)
{
	add_leaks(survey, leaked, has_lost_data);
	/* Then the extension was there. */
	if (leaked->count != 0)
		q2_problems_change(survey->report, Q2_PROBLEM_AUTOCLEAR_ALONE,
				   Q2_PROBLEM_AUTOCLEAR_ALONE_LEAKS);
}
