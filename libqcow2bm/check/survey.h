/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all parts of a check share: the image, the window, what is said of the guest's structures,
 * and who is asked whether to go on. */
#ifndef Q2_CHECK_SURVEY_H
#define Q2_CHECK_SURVEY_H

#include "../base/watch.h"
#include "../clusters/faults.h"
#include "problems.h"
#include "window.h"

#define Q2_SURVEY_READ_BYTES ((size_t)2 << 20) /* at least the largest cluster */

struct q2_survey {
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	struct q2_watch *watch; /* NULL: nobody looks on */
	struct q2_window window;
	unsigned cluster_bits;
	uint64_t clusters; /* in the file */
	bool is_quick;     /* neither L2 tables nor refcounts */
	struct q2_tally guest[Q2_PROBLEMS - Q2_PROBLEM_FIRST_GUEST];
	uint8_t *buf; /* Q2_SURVEY_READ_BYTES */
	uint64_t done_bytes, total_bytes;
};

/* Errors: ENOMEM; to be closed all the same. */
enum qcow2bm_code q2_survey_open(struct q2_survey *survey, struct qcow2bm_report *report,
				 const struct qcow2bm_check_options *options,
				 struct q2_watch *watch, struct qcow2bm_error *err);
void q2_survey_close(struct q2_survey *survey);

/* To be called in every turn of a loop that reads. Errors: EINTERRUPTED. */
enum qcow2bm_code q2_survey_ask(struct q2_survey *survey, struct qcow2bm_error *err);

/* Something is wrong with the guest's structures. */
static inline void q2_survey_tell(struct q2_survey *survey, enum q2_problem_id id,
				  uint64_t off)
{
	q2_tally_add(&survey->guest[id - Q2_PROBLEM_FIRST_GUEST], off);
}

/* For readers of structures: what they tell is told here. */
struct q2_faults q2_survey_faults(struct q2_survey *survey);

/* A cluster of a window that no refcount block counts has the refcount 0: said in the first pass,
 * which is the only one that sees it. */
static inline void q2_survey_expect(struct q2_survey *survey, uint64_t cluster,
				    uint64_t off)
{
	if (!survey->window.is_first || survey->is_quick ||
	    q2_window_is_stored(&survey->window, cluster))
		return;
	q2_survey_tell(survey, Q2_PROBLEM_GUEST_REFCOUNT_LOW, off);
	survey->report->totals.corruptions++;
}

/* Reads each cluster of the set that is no hole, and calls fn with its bytes until that sets *is_done;
 * it does not change the set. Errors: ESYSTEM, EINTERRUPTED, and those of fn. */
enum qcow2bm_code q2_survey_visit(struct q2_survey *survey, const struct q2_clusters *set,
				  enum qcow2bm_code (*fn)(void *opaque, uint64_t cluster,
							  const uint8_t *bytes,
							  bool *is_done,
							  struct qcow2bm_error *err),
				  void *opaque, struct qcow2bm_error *err);

/* Sets of clusters are kept for repair: adds one, up to a limit of runs, past which they are only
 * counted. */
#define Q2_SURVEY_MAX_RUNS ((size_t)1 << 19)
void q2_survey_keep(struct q2_survey *survey, struct q2_clusters *set, uint64_t cluster);

#endif
