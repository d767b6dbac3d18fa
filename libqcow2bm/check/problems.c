/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The findings of a check, and the table of all that there can be. */
#define _GNU_SOURCE /* vasprintf() */
#include "problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"

struct kind {
	const char *code;
	enum qcow2bm_severity severity;
	enum qcow2bm_cure cure;
};

#define NOTE QCOW2BM_SEVERITY_NOTE
#define LEAK QCOW2BM_SEVERITY_LEAK
#define WARNING QCOW2BM_SEVERITY_WARNING
#define ERROR QCOW2BM_SEVERITY_ERROR

static const struct kind kinds[Q2_PROBLEMS] = {
	[Q2_PROBLEM_ENTRY_LENGTH] = {"entry-length", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_TYPE] = {"type-unknown", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_FLAGS] = {"flags-reserved", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_GRANULARITY] = {"granularity-invalid", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_GRANULARITY_QEMU] = {"granularity-unsupported", ERROR,
					 QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_NAME_EMPTY] = {"name-empty", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_NAME_LONG] = {"name-too-long", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_NAME_TWICE] = {"name-duplicate", ERROR, QCOW2BM_CURE_CHOOSE},
	[Q2_PROBLEM_NAME_NUL] = {"name-nul", WARNING, QCOW2BM_CURE_RENAME},
	[Q2_PROBLEM_NAME_UTF8] = {"name-not-utf8", WARNING, QCOW2BM_CURE_RENAME},
	[Q2_PROBLEM_EXTRA] = {"extra-data", WARNING, QCOW2BM_CURE_DELETE},
	[Q2_PROBLEM_EXTRA_INCOMPATIBLE] = {"extra-data-incompatible", ERROR,
					   QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_EXTRA_NONE] = {"extra-data-none", ERROR, QCOW2BM_CURE_MEND},
	[Q2_PROBLEM_PADDING] = {"padding-nonzero", ERROR, QCOW2BM_CURE_CHOOSE},
	[Q2_PROBLEM_IN_USE_LIVE] = {"in-use-live", NOTE, QCOW2BM_CURE_NONE},
	[Q2_PROBLEM_IN_USE_STALE] = {"in-use-stale", WARNING, QCOW2BM_CURE_RECOVER},
	[Q2_PROBLEM_IN_USE_IDLE] = {"in-use-unknown", NOTE, QCOW2BM_CURE_NONE},
	[Q2_PROBLEM_IN_USE_UNKNOWN] = {"in-use-unknown", WARNING, QCOW2BM_CURE_RECOVER},
	[Q2_PROBLEM_TEMPORARY] = {"temporary", WARNING, QCOW2BM_CURE_DELETE},
	[Q2_PROBLEM_TABLE_SIZE] = {"table-size", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_TABLE_MISALIGNED] = {"table-misaligned", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_TABLE_PAST_END] = {"table-past-end", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_TABLE_SHARED] = {"table-shared", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_TABLE_RESERVED] = {"table-reserved", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_DATA_MISALIGNED] = {"data-misaligned", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_DATA_PAST_END] = {"data-past-end", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_TAIL_BITS] = {"tail-bits", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_OVERLAP_METADATA] = {"overlap-metadata", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_OVERLAP_GUEST] = {"overlap-guest", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_OVERLAP_BITMAP] = {"overlap-bitmap", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_OVERLAP_ITSELF] = {"overlap-itself", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_REFCOUNT_ZERO] = {"refcount-zero", ERROR, QCOW2BM_CURE_CHOOSE},
	[Q2_PROBLEM_REFCOUNT_ZERO_SURPLUS] = {"refcount-zero", ERROR, QCOW2BM_CURE_DROP},
	[Q2_PROBLEM_REFCOUNT_HIGH] = {"refcount-high", LEAK, QCOW2BM_CURE_MEND},
	[Q2_PROBLEM_REFCOUNT_HIGH_UNOWNED] = {"refcount-high", LEAK, QCOW2BM_CURE_NOBODY},
	[Q2_PROBLEM_DIRECTORY_OVERLAP] = {"directory-overlap", ERROR,
					  QCOW2BM_CURE_CHOOSE},
	[Q2_PROBLEM_DIRECTORY_OVERLAP_BITMAP] = {"directory-overlap-bitmap", ERROR,
						 QCOW2BM_CURE_MEND},
	[Q2_PROBLEM_DIRECTORY_REFCOUNT_ZERO] = {"directory-refcount-zero", ERROR,
						QCOW2BM_CURE_CHOOSE},
	[Q2_PROBLEM_DIRECTORY_REFCOUNT_HIGH] = {"directory-refcount-high", LEAK,
						QCOW2BM_CURE_MEND},
	[Q2_PROBLEM_FOREIGN_WRITER] = {"foreign-writer", ERROR, QCOW2BM_CURE_CHOOSE},
	[Q2_PROBLEM_LEAKED] = {"leaked-clusters", LEAK, QCOW2BM_CURE_MEND},
	[Q2_PROBLEM_LEAKED_UNSURE] = {"leaked-clusters", LEAK, QCOW2BM_CURE_QEMU},
	[Q2_PROBLEM_LEAKED_SUSPECT] = {"leaked-clusters", LEAK, QCOW2BM_CURE_CHOOSE},
	[Q2_PROBLEM_LEAKED_UNOWNED] = {"leaked-unowned", LEAK, QCOW2BM_CURE_NOBODY},
	[Q2_PROBLEM_LEAKED_UNOWNED_SUSPECT] = {"leaked-unowned", LEAK,
					       QCOW2BM_CURE_CHOOSE},
	[Q2_PROBLEM_CORRUPT_BIT] = {"image-corrupt", ERROR, QCOW2BM_CURE_QEMU},
	[Q2_PROBLEM_DIRTY_BIT] = {"image-dirty", WARNING, QCOW2BM_CURE_QEMU},
	[Q2_PROBLEM_BACKING_FAR] = {"backing-name-far", WARNING, QCOW2BM_CURE_MEND},
	[Q2_PROBLEM_BACKING_FAR_FULL] = {"backing-name-far", WARNING,
					 QCOW2BM_CURE_NOBODY},
	[Q2_PROBLEM_BACKING_TIGHT] = {"backing-name-tight", WARNING, QCOW2BM_CURE_MEND},
	[Q2_PROBLEM_GUEST_L1_PLACE] = {"guest-l1-table", ERROR, QCOW2BM_CURE_NOBODY},
	[Q2_PROBLEM_GUEST_L1_ENTRY] = {"guest-l1-entry", ERROR, QCOW2BM_CURE_NOBODY},
	[Q2_PROBLEM_GUEST_L2_PLACE] = {"guest-l2-table", ERROR, QCOW2BM_CURE_NOBODY},
	[Q2_PROBLEM_GUEST_L2_ENTRY] = {"guest-l2-entry", ERROR, QCOW2BM_CURE_NOBODY},
	[Q2_PROBLEM_GUEST_DATA_PAST_END] = {"guest-data-past-end", ERROR,
					    QCOW2BM_CURE_NOBODY},
	[Q2_PROBLEM_GUEST_COPIED] = {"guest-copied-flag", ERROR, QCOW2BM_CURE_QEMU},
	[Q2_PROBLEM_GUEST_SNAPSHOTS] = {"guest-snapshots", ERROR, QCOW2BM_CURE_QEMU},
	[Q2_PROBLEM_GUEST_ENCRYPTION] = {"guest-encryption", ERROR, QCOW2BM_CURE_NOBODY},
	[Q2_PROBLEM_GUEST_REFCOUNT_TABLE] = {"guest-refcount-table", ERROR,
					     QCOW2BM_CURE_QEMU},
	[Q2_PROBLEM_GUEST_REFCOUNT_LOW] = {"guest-refcount-low", ERROR,
					   QCOW2BM_CURE_QEMU},
	[Q2_PROBLEM_GUEST_REFCOUNT_HIGH] = {"guest-refcount-high", LEAK,
					    QCOW2BM_CURE_QEMU},
};

static struct q2_finding *reserve(struct qcow2bm_report *report)
{
	if (report->count == report->room) {
		size_t room = report->room == 0 ? 16 : report->room * 2;
		struct q2_finding *grown =
			realloc(report->findings, room * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		report->findings = grown;
		report->room = room;
	}
	return &report->findings[report->count];
}

static void note_cure(struct qcow2bm_report *report, size_t idx, enum qcow2bm_cure cure)
{
	if (idx == QCOW2BM_NOT_FOUND)
		return;
	if (cure == QCOW2BM_CURE_DROP)
		report->verdicts[idx] = Q2_VERDICT_DROP;
}

/* Owns `sentence`. */
static void add(struct qcow2bm_report *report, const struct kind *kind, size_t idx,
		uint64_t off, char *sentence)
{
	struct q2_finding *finding = sentence == NULL ? NULL : reserve(report);
	note_cure(report, idx, kind->cure);
	if (finding == NULL) {
		report->has_lost_findings = true;
		free(sentence);
		return;
	}
	report->count++;
	finding->problem = (struct qcow2bm_problem){
		.code = kind->code,
		.severity = kind->severity,
		.cure = kind->cure,
		.offset = off,
		.idx = idx,
		.sentence = sentence,
	};
}

void q2_problems_add(struct qcow2bm_report *report, enum q2_problem_id id, size_t idx,
		     uint64_t off, const char *fmt, ...)
{
	char *sentence;
	va_list args;
	va_start(args, fmt);
	if (vasprintf(&sentence, fmt, args) < 0)
		sentence = NULL;
	va_end(args);
	add(report, &kinds[id], idx, off, sentence);
}

bool q2_problems_is_trust_asked(const struct qcow2bm_problem *problem)
{
	/* Where nothing is found there is nothing to trust; of namesakes one must be named. */
	static const char *const others[] = {"directory-place", "extension-length",
					     "autoclear-without-extension",
					     "name-duplicate"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(problem->code, others[i]) == 0)
			return false;
	return problem->cure == QCOW2BM_CURE_CHOOSE;
}

void q2_problems_add_damage(struct qcow2bm_report *report, const struct q2_damage *damage)
{
	struct kind kind = {damage->code, ERROR, damage->cure};
	add(report, &kind, QCOW2BM_NOT_FOUND, damage->off, strdup(damage->sentence));
}

void q2_problems_set_cure(struct qcow2bm_report *report, const char *code,
			  enum qcow2bm_cure cure)
{
	for (size_t i = 0; i < report->count; i++)
		if (strcmp(report->findings[i].problem.code, code) == 0)
			report->findings[i].problem.cure = cure;
}

static int by_severity(const void *a, const void *b)
{
	const struct qcow2bm_problem *x = &((const struct q2_finding *)a)->problem;
	const struct qcow2bm_problem *y = &((const struct q2_finding *)b)->problem;
	if (x->severity != y->severity)
		return x->severity < y->severity ? 1 : -1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->idx != y->idx)
		return x->idx < y->idx ? -1 : 1;
	return strcmp(x->code, y->code);
}

/* Errors that the reference walk has not counted cluster by cluster. Of overlaps it has counted
 * those whose refcounts do not tell of both owners. */
static void count_corruptions(struct qcow2bm_report *report)
{
	uint64_t overlaps = 0;
	for (size_t i = 0; i < report->count; i++) {
		const struct qcow2bm_problem *problem = &report->findings[i].problem;
		bool is_overlap = strstr(problem->code, "overlap") != NULL;
		if (problem->severity != ERROR || problem->cure >= QCOW2BM_CURE_QEMU ||
		    strstr(problem->code, "refcount") != NULL ||
		    strcmp(problem->code, kinds[Q2_PROBLEM_FOREIGN_WRITER].code) == 0)
			continue;
		overlaps += is_overlap;
		report->totals.corruptions += !is_overlap;
	}
	if (report->totals.corruptions == 0)
		report->totals.corruptions = overlaps;
}

enum qcow2bm_code q2_problems_finish(struct qcow2bm_report *report,
				     struct qcow2bm_error *err)
{
	if (report->has_lost_findings)
		return q2_fail_memory(err, "the findings of a check");
	if (report->count > 1)
		qsort(report->findings, report->count, sizeof(*report->findings),
		      by_severity);
	for (size_t i = 0; i < report->count; i++) {
		enum qcow2bm_severity severity = report->findings[i].problem.severity;
		report->totals.errors += severity == ERROR;
		report->totals.warnings += severity == WARNING;
		report->totals.notes += severity == NOTE;
	}
	count_corruptions(report);
	return QCOW2BM_OK;
}

void qcow2bm_report_free(struct qcow2bm_report *report)
{
	if (report == NULL)
		return;
	for (size_t i = 0; i < report->count; i++)
		free((char *)report->findings[i].problem.sentence);
	free(report->findings);
	free(report->verdicts);
	q2_generation_drop(report->generation);
	q2_clusters_free(&report->low);
	q2_clusters_free(&report->high);
	q2_clusters_free(&report->leaked);
	q2_clusters_free(&report->dropped);
	q2_clusters_free(&report->counted_past_end);
	free(report);
}

size_t qcow2bm_report_count(const struct qcow2bm_report *report)
{
	return report->count;
}

const struct qcow2bm_problem *qcow2bm_report_problem(const struct qcow2bm_report *report,
						     size_t number)
{
	return number < report->count ? &report->findings[number].problem : NULL;
}

void qcow2bm_report_totals(const struct qcow2bm_report *report,
			   struct qcow2bm_totals *totals)
{
	*totals = report->totals;
}
