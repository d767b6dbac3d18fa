/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what a check found to one edit, which the one write path commits. */
#include <stdlib.h>

#include "../base/error.h"
#include "../base/options.h"
#include "../clusters/refcounts.h"
#include "../clusters/refs.h"
#include "../edit/edit.h"
#include "../image/directory.h"
#include "../image/tables.h"
#include "problems.h"

#define REPAIR_FLAGS                                                 \
	(QCOW2BM_REPAIR_TRUST_BITMAPS | QCOW2BM_REPAIR_DROP_IN_USE | \
	 QCOW2BM_REPAIR_DROP_ALL)

struct repair {
	struct qcow2bm_edit *edit;
	const struct qcow2bm_report *report;
	const struct qcow2bm_repair_options *options;
	bool *is_named; /* each bitmap: the options name it to be dropped */
};

static bool is_asked_to_drop(const struct repair *repair, size_t idx);

static enum qcow2bm_code fail_lost(const struct qcow2bm_problem *problem,
				   struct qcow2bm_error *err)
{
	return q2_fail(
		err, QCOW2BM_EINVAL, problem->offset,
		"%s; look for old ones with check --carve, or drop all bitmaps with --drop-all",
		problem->sentence);
}

/* What a program that knows no bitmaps wrote is in none of them, and what a damage hides cannot be
 * told: they stay by the user's word only. */
static enum qcow2bm_code check_trust(const struct repair *repair,
				     const struct q2_finding *finding,
				     struct qcow2bm_error *err)
{
	const struct qcow2bm_problem *problem = &finding->problem;
	bool is_autoclear = finding->id == Q2_PROBLEM_AUTOCLEAR_LOST;
	/* So does an image whose last bitmap was deleted by an edit that was cut off. */
	if (is_autoclear && repair->report->low.count != 0)
		return q2_fail(
			err, QCOW2BM_EINVAL, problem->offset,
			"%s; clusters of the bitmaps are counted as free, so they may have been deleted: drop them with --drop-all",
			problem->sentence);
	if (repair->options->flags & QCOW2BM_REPAIR_TRUST_BITMAPS)
		return QCOW2BM_OK;
	if (is_autoclear)
		return q2_fail(
			err, QCOW2BM_EINVAL, problem->offset,
			"%s; the bitmaps miss what it wrote: drop them with --drop-all and let the next backup be a full one, or, if you know that the guest's disk was not changed, keep them with --trust-bitmaps",
			problem->sentence);
	return q2_fail(
		err, QCOW2BM_EINVAL, problem->offset,
		"%s; bitmaps may miss changes: drop them with --drop-all (one: --drop) and let the next backup be a full one, or, if you know that they are right, keep them with --trust-bitmaps",
		problem->sentence);
}

/* Is there anything that the user must decide, and has not? */
static enum qcow2bm_code check_choices(const struct repair *repair,
				       struct qcow2bm_error *err)
{
	const struct qcow2bm_report *report = repair->report;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (repair->options->flags & QCOW2BM_REPAIR_DROP_ALL)
		return QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < report->count; i++) {
		const struct q2_finding *finding = &report->findings[i];
		const struct qcow2bm_problem *problem = &finding->problem;
		enum q2_choice choice = q2_problem_table_find(finding->id)->choice;
		bool is_settled = problem->idx != QCOW2BM_NOT_FOUND &&
				  (report->verdicts[problem->idx] == Q2_VERDICT_DROP ||
				   is_asked_to_drop(repair, problem->idx));
		if (is_settled)
			continue;
		if (choice == Q2_CHOICE_TRUST)
			code = check_trust(repair, finding, err);
		else if (choice == Q2_CHOICE_LOST)
			code = fail_lost(problem, err);
	}
	return code;
}

/* What nothing here mends. */
static enum qcow2bm_code check_damages(const struct repair *repair,
				       struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = repair->report->image;
	enum qcow2bm_code code = repair->options->flags & QCOW2BM_REPAIR_DROP_ALL
					 ? QCOW2BM_OK
					 : q2_edit_check_bits(image, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < image->damage_count; i++)
		if (q2_problem_table_find(image->damages[i].id)->cure ==
		    QCOW2BM_CURE_COPY)
			code = q2_fail(err, QCOW2BM_EUNSUPPORTED, image->damages[i].off,
				       "%s; this cannot be repaired" QCOW2BM_SEE_CHECK,
				       image->damages[i].sentence);
	return code == QCOW2BM_OK ? check_choices(repair, err) : code;
}

static bool is_asked_to_drop(const struct repair *repair, size_t idx)
{
	const struct qcow2bm_repair_options *options = repair->options;
	const struct q2_bitmap *bitmap = &repair->report->image->directory.bitmaps[idx];
	if (options->flags & QCOW2BM_REPAIR_DROP_ALL)
		return true;
	if ((options->flags & QCOW2BM_REPAIR_DROP_IN_USE) &&
	    (bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE))
		return true;
	return repair->is_named[idx];
}

static enum qcow2bm_code note_named(struct repair *repair, struct qcow2bm_error *err)
{
	const struct qcow2bm_repair_options *options = repair->options;
	size_t count = repair->edit->image->directory.count;
	for (size_t i = 0; i < options->drop_count; i++)
		if (options->drop[i] >= count)
			return q2_fail(
				err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
				"there is no bitmap number %zu; the image has %zu, counted from 0",
				options->drop[i], count);
	repair->is_named = calloc(count != 0 ? count : 1, sizeof(*repair->is_named));
	if (repair->is_named == NULL)
		return q2_fail_memory(err, "a repair");
	for (size_t i = 0; i < options->drop_count; i++)
		repair->is_named[options->drop[i]] = true;
	return QCOW2BM_OK;
}

/* Of several bitmaps with one name one may stay: when the caller has all others dropped. */
static void drop_namesakes(const struct repair *repair)
{
	struct qcow2bm_edit *edit = repair->edit;
	const struct q2_directory *directory = &edit->image->directory;
	for (size_t first = 0, end; first < directory->count; first = end) {
		const struct q2_directory_entry *entry =
			&directory->bitmaps[directory->by_name[first]].entry;
		size_t same, live = 0;
		q2_directory_find(directory, entry->name, entry->name_bytes, &same);
		end = first + same;
		for (size_t i = first; i < end; i++)
			live += !edit->staged[directory->by_name[i]].is_deleted;
		for (size_t i = first; i < end && live > 1; i++)
			if (!edit->staged[directory->by_name[i]].is_deleted)
				q2_edit_delete(edit,
					       &edit->staged[directory->by_name[i]]);
	}
}

/* A cluster behind all refcount blocks cannot get a refcount in a repair: it would need a block
 * first. */
static enum qcow2bm_code check_low(const struct repair *repair, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = repair->report->image;
	const struct q2_clusters *low = &repair->edit->repair.low;
	struct q2_refcounts refcounts;
	if (low->count == 0)
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_refcounts_open(&refcounts, image, err);
	if (code != QCOW2BM_OK)
		return code;
	for (size_t i = 0; code == QCOW2BM_OK && i < low->count; i++)
		for (uint64_t c = 0; code == QCOW2BM_OK && c < low->runs[i].count; c++)
			if (!q2_refcounts_covers(&refcounts, low->runs[i].first + c))
				code = q2_fail(
					err, QCOW2BM_EUNSUPPORTED,
					(low->runs[i].first + c)
						<< image->header.cluster_bits,
					"a bitmap uses a cluster that no refcount block counts" QCOW2BM_SEE_CHECK);
	q2_refcounts_close(&refcounts);
	return code;
}

/* Whether writing the directory anew, or a refcount, mends something. */
static bool has_work(const struct repair *repair)
{
	const struct qcow2bm_report *report = repair->report;
	const struct q2_edit_repair *wanted = &repair->edit->repair;
	for (size_t i = 0; i < report->count; i++) {
		const struct qcow2bm_problem *problem = &report->findings[i].problem;
		/* What had to be chosen was chosen. */
		if (problem->cure == QCOW2BM_CURE_MEND ||
		    (problem->cure == QCOW2BM_CURE_CHOOSE &&
		     problem->severity == QCOW2BM_SEVERITY_ERROR))
			return true;
	}
	return report->image->damage_count != 0 || wanted->low.count != 0 ||
	       wanted->high.count != 0 || wanted->leaked.count != 0;
}

/* Only who has seen every reference knows that there is none. */
static bool may_free(const struct repair *repair)
{
	return repair->report->totals.walked && repair->report->guest_is_sound &&
	       !repair->report->has_unknown_owner;
}

/* Leaked clusters may be what is left of bitmaps that are dropped for a damage: they can be looked
 * for there (check --carve), until the next repair. */
static bool may_free_leaks(const struct repair *repair)
{
	const struct qcow2bm_report *report = repair->report;
	bool keeps = false;
	for (size_t i = 0; i < report->image->directory.count; i++)
		keeps |= report->verdicts[i] == Q2_VERDICT_DROP;
	for (size_t i = 0; i < report->count; i++)
		keeps |= report->findings[i].id == Q2_PROBLEM_DIRECTORY_COUNT;
	return may_free(repair) &&
	       (!keeps || (repair->options->flags & QCOW2BM_REPAIR_DROP_ALL));
}

static enum qcow2bm_code add_all(struct q2_clusters *set, const struct q2_clusters *more,
				 struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < more->count; i++)
		code = q2_clusters_add(set, more->runs[i].first, more->runs[i].count,
				       err);
	return code == QCOW2BM_OK ? q2_clusters_sort(set, NULL, err) : code;
}

/* What the sound bitmaps use that the caller wants dropped. */
static enum qcow2bm_code collect_dropped(const struct repair *repair,
					 struct q2_clusters *used,
					 struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = repair->report->image;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < image->directory.count; i++) {
		const struct q2_bitmap *bitmap = &image->directory.bitmaps[i];
		if (repair->report->verdicts[i] == Q2_VERDICT_DROP ||
		    !repair->edit->staged[i].is_deleted)
			continue;
		code = q2_refs_add_bitmap(used, image, bitmap, err);
	}
	return code == QCOW2BM_OK ? q2_clusters_sort(used, NULL, err) : code;
}

/* The report counts on bitmaps that the caller wants dropped: their clusters are not to be
 * counted at all. */
static enum qcow2bm_code settle_dropped(const struct repair *repair,
					struct qcow2bm_error *err)
{
	struct q2_edit_repair *wanted = &repair->edit->repair;
	struct q2_clusters used = {0}, high = {0};
	enum qcow2bm_code code = collect_dropped(repair, &used, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&wanted->low, &used, err);
	if (code == QCOW2BM_OK)
		code = add_all(&high, &wanted->high, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&wanted->high, &used, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&high, &wanted->high, err);
	if (code == QCOW2BM_OK && may_free(repair))
		code = add_all(&wanted->leaked, &high, err);
	q2_clusters_free(&used);
	q2_clusters_free(&high);
	return code;
}

/* Stages the refcounts that are to change, as far as it is known that they are wrong. */
static enum qcow2bm_code stage_refcounts(const struct repair *repair,
					 struct qcow2bm_error *err)
{
	const struct qcow2bm_report *report = repair->report;
	struct q2_edit_repair *wanted = &repair->edit->repair;
	enum qcow2bm_code code = QCOW2BM_OK;
	/* With the last bitmap the directory goes, too: then there is nothing to be counted. */
	if (repair->edit->live != 0)
		code = add_all(&wanted->low, &report->low, err);
	/* Who knows nothing of an owner cannot say that one reference is all. */
	if (code == QCOW2BM_OK && !report->has_unknown_owner)
		code = add_all(&wanted->high, &report->high, err);
	if (code == QCOW2BM_OK && may_free(repair))
		code = add_all(&wanted->leaked, &report->dropped, err);
	if (code == QCOW2BM_OK && may_free_leaks(repair))
		code = add_all(&wanted->leaked, &report->leaked, err);
	else if (code == QCOW2BM_OK && may_free(repair))
		wanted->kept_leaks = q2_clusters_total(&report->leaked);
	if (code == QCOW2BM_OK)
		code = settle_dropped(repair, err);
	return code == QCOW2BM_OK ? check_low(repair, err) : code;
}

static enum qcow2bm_code stage(const struct repair *repair, struct qcow2bm_error *err)
{
	const struct qcow2bm_report *report = repair->report;
	struct qcow2bm_edit *edit = repair->edit;
	const struct q2_directory *directory = &edit->image->directory;
	for (size_t i = 0; i < directory->count; i++)
		if (report->verdicts[i] == Q2_VERDICT_DROP || is_asked_to_drop(repair, i))
			q2_edit_delete(edit, &edit->staged[i]);
	drop_namesakes(repair);
	for (size_t i = 0; i < directory->count; i++)
		edit->staged[i].is_seen_in_use = report->verdicts[i] != Q2_VERDICT_DROP;
	enum qcow2bm_code code = stage_refcounts(repair, err);
	if (code != QCOW2BM_OK)
		return code;
	edit->repair.saw_every_reference = may_free(repair);
	edit->repair.is_wanted = edit->live != directory->count || has_work(repair);
	/* They are no reason for a repair, but a file that grows over them would have leaks. */
	if (edit->repair.is_wanted && may_free(repair))
		code = add_all(&edit->repair.leaked, &report->counted_past_end, err);
	return code;
}

enum qcow2bm_code qcow2bm_edit_repair(struct qcow2bm_edit *edit,
				      const struct qcow2bm_report *report,
				      const struct qcow2bm_repair_options *given,
				      struct qcow2bm_error *err)
{
	struct qcow2bm_repair_options known = QCOW2BM_REPAIR_OPTIONS_INIT;
	struct repair repair = {edit, report, &known, NULL};
	enum qcow2bm_code code = q2_edit_enter(edit, err);
	if (code == QCOW2BM_OK)
		code = q2_options_take(&known, sizeof(known), given,
				       "the options of a repair", err);
	if (code == QCOW2BM_OK)
		code = q2_options_check(known.flags, REPAIR_FLAGS, "a repair", err);
	if (code == QCOW2BM_OK)
		code = q2_check_is_about(report, edit->image, err);
	if (code != QCOW2BM_OK)
		return code;
	if (!edit->image->is_tolerant)
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the report is not about an image that was opened for repair");
	code = note_named(&repair, err);
	if (code == QCOW2BM_OK)
		code = check_damages(&repair, err);
	if (code == QCOW2BM_OK)
		code = stage(&repair, err);
	free(repair.is_named);
	return code;
}
