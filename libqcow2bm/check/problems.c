/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The findings of a check. */
#define _GNU_SOURCE /* vasprintf() */
#include "problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"

#define LAST_SENTENCES 4 /* that a new one is compared with */

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

/* What QEMU makes of the directory and its bitmaps counts only where it reads them. */
static unsigned choose_traits(const struct qcow2bm_report *report,
			      const struct q2_problem_kind *kind)
{
	bool is_read = report->image->header.autoclear_features & Q2_AUTOCLEAR_BITMAPS;
	bool is_of_bitmaps =
		kind->area == QCOW2BM_AREA_DIRECTORY || kind->area == QCOW2BM_AREA_BITMAP;
	return is_read || !is_of_bitmaps
		       ? kind->traits
		       : kind->traits & ~(unsigned)QCOW2BM_PROBLEM_KEEPS_QEMU_OUT;
}

/* Takes the sentence; returns it, or the one that it repeats; NULL for want of memory. */
static const char *keep_sentence(struct qcow2bm_report *report, char *sentence)
{
	size_t count = report->sentence_count;
	for (size_t i = count;
	     sentence != NULL && i-- > 0 && count - i <= LAST_SENTENCES;)
		if (strcmp(report->sentences[i], sentence) == 0) {
			free(sentence);
			return report->sentences[i];
		}
	if (sentence != NULL && count == report->sentence_room) {
		size_t room = report->sentence_room == 0 ? 16 : count * 2;
		char **grown = realloc(report->sentences, room * sizeof(*grown));
		if (grown == NULL) {
			free(sentence);
			return NULL;
		}
		report->sentences = grown;
		report->sentence_room = room;
	}
	if (sentence != NULL)
		report->sentences[report->sentence_count++] = sentence;
	return sentence;
}

/* Owns `sentence`. */
static void add(struct qcow2bm_report *report, enum q2_problem_id id, size_t idx,
		uint64_t off, char *sentence)
{
	const struct q2_problem_kind *kind = q2_problem_table_find(id);
	const char *kept = keep_sentence(report, sentence);
	struct q2_finding *finding = kept == NULL ? NULL : reserve(report);
	note_cure(report, idx, kind->cure);
	if (finding == NULL) {
		report->has_lost_findings = true;
		return;
	}
	report->count++;
	finding->id = id;
	finding->problem = (struct qcow2bm_problem){
		.code = kind->code,
		.severity = kind->severity,
		.area = kind->area,
		.cure = kind->cure,
		.traits = choose_traits(report, kind),
		.offset = off,
		.idx = idx,
		.sentence = kept,
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
	add(report, id, idx, off, sentence);
}

void q2_problems_add_damage(struct qcow2bm_report *report, const struct q2_damage *damage)
{
	add(report, damage->id, QCOW2BM_NOT_FOUND, damage->off, strdup(damage->sentence));
}

void q2_problems_change(struct qcow2bm_report *report, enum q2_problem_id from,
			enum q2_problem_id to)
{
	for (size_t i = 0; i < report->count; i++) {
		struct q2_finding *finding = &report->findings[i];
		if (finding->id != from)
			continue;
		finding->id = to;
		finding->problem.cure = q2_problem_table_find(to)->cure;
	}
}

static int by_severity(const void *a, const void *b)
{
	const struct q2_finding *one = a, *other = b;
	const struct qcow2bm_problem *x = &one->problem, *y = &other->problem;
	if (x->severity != y->severity)
		return x->severity < y->severity ? 1 : -1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->idx != y->idx)
		return x->idx < y->idx ? -1 : 1;
	return (one->id > other->id) - (one->id < other->id);
}

/* Adds the problems that the reference walk has not counted cluster by cluster. Of overlaps it has
 * counted those whose refcounts do not tell of both owners. */
static void count_corruptions(struct qcow2bm_report *report)
{
	uint64_t overlaps = 0;
	for (size_t i = 0; i < report->count; i++) {
		enum q2_corruption corruption =
			q2_problem_table_find(report->findings[i].id)->corruption;
		overlaps += corruption == Q2_CORRUPTION_OVERLAP;
		report->totals.corruptions += corruption == Q2_CORRUPTION_ONE;
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
		report->totals.errors += severity == QCOW2BM_SEVERITY_ERROR;
		report->totals.warnings += severity == QCOW2BM_SEVERITY_WARNING;
		report->totals.notes += severity == QCOW2BM_SEVERITY_NOTE;
	}
	count_corruptions(report);
	return QCOW2BM_OK;
}

void qcow2bm_report_free(struct qcow2bm_report *report)
{
	if (report == NULL)
		return;
	for (size_t i = 0; i < report->sentence_count; i++)
		free(report->sentences[i]);
	free(report->sentences);
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

const struct qcow2bm_totals *qcow2bm_report_totals(const struct qcow2bm_report *report)
{
	return &report->totals;
}
