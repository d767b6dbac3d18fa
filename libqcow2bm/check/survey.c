/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all parts of a check share. */
#include "survey.h"

#include <stdlib.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../storage/holes.h"

enum qcow2bm_code q2_survey_open(struct q2_survey *survey, struct qcow2bm_report *report,
				 const struct qcow2bm_check_options *options,
				 struct q2_watch *watch, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = report->image;
	*survey = (struct q2_survey){
		.image = image,
		.report = report,
		.watch = watch,
		.window = {.is_first = true},
		.is_quick = options->flags & QCOW2BM_CHECK_QUICK,
		.cluster_bits = image->header.cluster_bits,
		.clusters = q2_shift_up(image->file_bytes, image->header.cluster_bits),
		.buf = malloc(Q2_SURVEY_READ_BYTES),
	};
	return survey->buf == NULL ? q2_fail_memory(err, "the reference walk")
				   : QCOW2BM_OK;
}

void q2_survey_close(struct q2_survey *survey)
{
	q2_window_close(&survey->window);
	free(survey->buf);
}

enum qcow2bm_code q2_survey_ask(struct q2_survey *survey, struct qcow2bm_error *err)
{
	q2_watch_note(survey->watch, survey->done_bytes, survey->total_bytes);
	return q2_watch_look(survey->watch, err);
}

static void tell(void *opaque, enum q2_fault fault, uint64_t off)
{
	static const enum q2_problem_id problems[] = {
		[Q2_FAULT_REFCOUNT_TABLE] = Q2_PROBLEM_GUEST_REFCOUNT_TABLE,
		[Q2_FAULT_SNAPSHOTS] = Q2_PROBLEM_GUEST_SNAPSHOTS,
		[Q2_FAULT_ENCRYPTION] = Q2_PROBLEM_GUEST_ENCRYPTION,
		[Q2_FAULT_L1_PLACE] = Q2_PROBLEM_GUEST_L1_PLACE,
		[Q2_FAULT_L1_RESERVED] = Q2_PROBLEM_GUEST_L1_ENTRY,
		[Q2_FAULT_L2_PLACE] = Q2_PROBLEM_GUEST_L1_ENTRY,
	};
	q2_survey_tell(opaque, problems[fault], off);
}

struct q2_faults q2_survey_faults(struct q2_survey *survey)
{
	return (struct q2_faults){tell, survey};
}

void q2_survey_keep(struct q2_survey *survey, struct q2_clusters *set, uint64_t cluster)
{
	struct qcow2bm_report *report = survey->report;
	if (set->count >= Q2_SURVEY_MAX_RUNS)
		report->is_partial = true;
	else if (q2_clusters_add(set, cluster, 1, NULL) != QCOW2BM_OK)
		report->has_lost_findings = true;
}

enum qcow2bm_code q2_survey_visit(struct q2_survey *survey, const struct q2_clusters *set,
				  enum qcow2bm_code (*fn)(void *opaque, uint64_t cluster,
							  const uint8_t *bytes,
							  bool *is_done,
							  struct qcow2bm_error *err),
				  void *opaque, struct qcow2bm_error *err)
{
	size_t cluster_bytes = (size_t)1 << survey->cluster_bits;
	struct q2_holes holes = {.storage = survey->image->storage,
				 .length = survey->image->file_bytes};
	enum qcow2bm_code code = QCOW2BM_OK;
	bool is_done = false;
	for (size_t i = 0; code == QCOW2BM_OK && i < set->count; i++) {
		uint64_t end = (set->runs[i].first + set->runs[i].count)
			       << survey->cluster_bits;
		uint64_t off = set->runs[i].first << survey->cluster_bits, stop;
		while (code == QCOW2BM_OK && !is_done &&
		       (off = q2_holes_skip(&holes, off, end, &stop)) < end) {
			off -= off % cluster_bytes;
			code = q2_survey_ask(survey, err);
			if (code == QCOW2BM_OK)
				code = q2_storage_read_padded(survey->image->storage,
							      survey->buf, cluster_bytes,
							      off, cluster_bytes, err);
			if (code == QCOW2BM_OK)
				code = fn(opaque, off >> survey->cluster_bits,
					  survey->buf, &is_done, err);
			off += cluster_bytes;
		}
	}
	return code;
}
