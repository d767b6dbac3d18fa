/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The findings of a check: how they are added, counted and put in order. */
#ifndef Q2_CHECK_PROBLEMS_H
#define Q2_CHECK_PROBLEMS_H

#include "check.h"

/* How often something was seen, and the byte of the image where it was first. */
struct q2_tally {
	uint64_t count;
	uint64_t first_off;
};

static inline void q2_tally_add(struct q2_tally *tally, uint64_t off)
{
	if (tally->count++ == 0)
		tally->first_off = off;
}

/* Adds a finding, about bitmap `idx` or QCOW2BM_NOT_FOUND, and lowers the bitmap's verdict as the
 * cure says. Want of memory is remembered in the report. */
void q2_problems_add(struct qcow2bm_report *report, enum q2_problem_id id, size_t idx,
		     uint64_t off, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* Adds what salvage.c found. */
void q2_problems_add_damage(struct qcow2bm_report *report,
			    const struct q2_damage *damage);

/* Makes findings of the one problem findings of the other: more is known of them now. */
void q2_problems_change(struct qcow2bm_report *report, enum q2_problem_id from,
			enum q2_problem_id to);

/* Sorts the findings and counts them. Errors: ENOMEM when one was lost. */
enum qcow2bm_code q2_problems_finish(struct qcow2bm_report *report,
				     struct qcow2bm_error *err);

#endif
