/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A check from beginning to end: extension, directory, tables, then who refers to what. */
#include "check.h"

#include <inttypes.h>
#include <stdlib.h>

#include "../base/error.h"
#include "../base/options.h"
#include "../image/backing.h"
#include "../image/unknown.h"
#include "entries.h"
#include "problems.h"
#include "references.h"
#include "window.h"

/* Earlier versions of this program put the name at the end of the first cluster. What QEMU wrote
 * stands right behind the extensions, and cannot stand better. */
static void check_backing_name(struct qcow2bm_report *report)
{
	const struct q2_header *header = &report->image->header;
	uint64_t better;
	enum q2_backing_place place = q2_backing_find(report->image, &better);
	if (header->version < 3)
		return;
	if (place == Q2_BACKING_FAR)
		q2_problems_add(
			report,
			better != 0 ? Q2_PROBLEM_BACKING_FAR
				    : Q2_PROBLEM_BACKING_FAR_FULL,
			QCOW2BM_NOT_FOUND, Q2_HEADER_BACKING_OFF,
			"the backing file's name ends at byte %" PRIu64
			", and libvirt looks for it in the first %u: it would start a guest without its backing file",
			header->backing_file_off + header->backing_file_bytes,
			Q2_BACKING_REACH_BYTES);
	else if (place == Q2_BACKING_TIGHT && better != 0)
		q2_problems_add(
			report, Q2_PROBLEM_BACKING_TIGHT, QCOW2BM_NOT_FOUND,
			Q2_HEADER_BACKING_OFF,
			"the backing file's name has no room behind it, where XCP-ng's storage manager moves it by %u bytes: QEMU would refuse the image then",
			Q2_BACKING_SHIFT_BYTES);
}

/* What salvage.c found, and what the header says of the image as a whole. */
static void check_image(struct qcow2bm_report *report)
{
	const struct qcow2bm_image *image = report->image;
	uint64_t features = image->header.incompatible_features;
	for (size_t i = 0; i < image->damage_count; i++)
		q2_problems_add_damage(report, &image->damages[i]);
	if (features & Q2_INCOMPATIBLE_CORRUPT)
		q2_problems_add(
			report, Q2_PROBLEM_CORRUPT_BIT, QCOW2BM_NOT_FOUND,
			Q2_HEADER_INCOMPATIBLE_OFF,
			"the image is marked corrupt: QEMU found its structures damaged and opens it for reading only");
	if (features & Q2_INCOMPATIBLE_DIRTY)
		q2_problems_add(
			report, Q2_PROBLEM_DIRTY_BIT, QCOW2BM_NOT_FOUND,
			Q2_HEADER_INCOMPATIBLE_OFF,
			"the image was not closed: its refcounts may be out of date");
	check_backing_name(report);
	report->has_unknown_owner = q2_unknown_may_own(image);
	report->guest_is_sound =
		!(features & (Q2_INCOMPATIBLE_CORRUPT | Q2_INCOMPATIBLE_DIRTY));
}

/* The steps of a check: entries alone, their tables, then who refers to which cluster. */
static enum qcow2bm_code run(struct qcow2bm_report *report,
			     const struct qcow2bm_check_options *options,
			     unsigned window_shift, struct q2_watch *watch,
			     struct qcow2bm_error *err)
{
	size_t count = report->image->directory.count;
	struct q2_layout *layouts = calloc(count + 1, sizeof(*layouts));
	report->verdicts = calloc(count + 1, sizeof(*report->verdicts));
	if (layouts == NULL || report->verdicts == NULL) {
		free(layouts);
		return q2_fail_memory(err, "a check");
	}
	check_image(report);
	q2_entries_check(report);
	enum qcow2bm_code code = q2_check_tables(report, layouts, err);
	if (code == QCOW2BM_OK)
		code = q2_references_run(report, layouts, options, window_shift, watch,
					 err);
	free(layouts);
	return code == QCOW2BM_OK ? q2_problems_finish(report, err) : code;
}

enum qcow2bm_code q2_check_run(struct qcow2bm_image *image,
			       const struct qcow2bm_check_options *options,
			       unsigned window_shift, struct qcow2bm_report **result,
			       const struct qcow2bm_watch *caller,
			       struct qcow2bm_error *err)
{
	struct qcow2bm_check_options known = QCOW2BM_CHECK_OPTIONS_INIT;
	struct q2_watch watch;
	enum qcow2bm_code code =
		q2_watch_begin(&watch, caller, "nothing was changed", err);
	if (code == QCOW2BM_OK)
		code = q2_options_take(&known, sizeof(known), options,
				       "the options of a check", err);
	if (code == QCOW2BM_OK)
		code = q2_options_check(known.flags, QCOW2BM_CHECK_QUICK, "a check", err);
	if (code != QCOW2BM_OK)
		return code;
	struct qcow2bm_report *report = calloc(1, sizeof(*report));
	if (report == NULL)
		return q2_fail_memory(err, "a check");
	report->image = image;
	code = q2_generation_take(image, &report->generation, err);
	if (code == QCOW2BM_OK)
		code = run(report, &known, window_shift, &watch, err);
	if (code != QCOW2BM_OK) {
		qcow2bm_report_free(report);
		return code;
	}
	*result = report;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_check_is_about(const struct qcow2bm_report *report,
				    const struct qcow2bm_image *image,
				    struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_generation_check(report->generation, "the report was made", err);
	if (code == QCOW2BM_OK && report->image != image)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the report is about another image");
	return code;
}

enum qcow2bm_code qcow2bm_image_check(struct qcow2bm_image *image,
				      const struct qcow2bm_check_options *options,
				      struct qcow2bm_report **report,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	return q2_check_run(image, options, Q2_WINDOW_SHIFT, report, watch, err);
}
