/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of problems: what each is called, how bad it is and what helps. */
#ifndef Q2_CHECK_PROBLEMS_H
#define Q2_CHECK_PROBLEMS_H

#include "check.h"

enum q2_problem_id {
	/* An entry of the directory. */
	Q2_PROBLEM_ENTRY_LENGTH,
	Q2_PROBLEM_TYPE,
	Q2_PROBLEM_FLAGS,
	Q2_PROBLEM_GRANULARITY,
	Q2_PROBLEM_GRANULARITY_QEMU,
	Q2_PROBLEM_NAME_EMPTY,
	Q2_PROBLEM_NAME_LONG,
	Q2_PROBLEM_NAME_TWICE,
	Q2_PROBLEM_NAME_NUL,
	Q2_PROBLEM_NAME_UTF8,
	Q2_PROBLEM_EXTRA,
	Q2_PROBLEM_EXTRA_INCOMPATIBLE,
	Q2_PROBLEM_EXTRA_NONE,
	Q2_PROBLEM_PADDING,
	Q2_PROBLEM_IN_USE_LIVE,
	Q2_PROBLEM_IN_USE_STALE,
	Q2_PROBLEM_IN_USE_IDLE,
	Q2_PROBLEM_IN_USE_UNKNOWN,
	Q2_PROBLEM_TEMPORARY,
	/* Its table and data. */
	Q2_PROBLEM_TABLE_SIZE,
	Q2_PROBLEM_TABLE_MISALIGNED,
	Q2_PROBLEM_TABLE_PAST_END,
	Q2_PROBLEM_TABLE_SHARED,
	Q2_PROBLEM_TABLE_RESERVED,
	Q2_PROBLEM_DATA_MISALIGNED,
	Q2_PROBLEM_DATA_PAST_END,
	Q2_PROBLEM_TAIL_BITS,
	Q2_PROBLEM_OVERLAP_METADATA,
	Q2_PROBLEM_OVERLAP_GUEST,
	Q2_PROBLEM_OVERLAP_BITMAP,
	Q2_PROBLEM_OVERLAP_ITSELF,
	Q2_PROBLEM_REFCOUNT_ZERO,
	Q2_PROBLEM_REFCOUNT_ZERO_SURPLUS,
	Q2_PROBLEM_REFCOUNT_HIGH,
	Q2_PROBLEM_REFCOUNT_HIGH_UNOWNED,
	/* The directory's place. */
	Q2_PROBLEM_DIRECTORY_OVERLAP,
	Q2_PROBLEM_DIRECTORY_OVERLAP_BITMAP,
	Q2_PROBLEM_DIRECTORY_REFCOUNT_ZERO,
	Q2_PROBLEM_DIRECTORY_REFCOUNT_HIGH,
	/* The image as a whole. */
	Q2_PROBLEM_FOREIGN_WRITER,
	Q2_PROBLEM_LEAKED,
	Q2_PROBLEM_LEAKED_UNSURE,
	Q2_PROBLEM_LEAKED_SUSPECT,
	Q2_PROBLEM_LEAKED_UNOWNED,
	Q2_PROBLEM_LEAKED_UNOWNED_SUSPECT,
	Q2_PROBLEM_CORRUPT_BIT,
	Q2_PROBLEM_DIRTY_BIT,
	Q2_PROBLEM_BACKING_FAR,
	Q2_PROBLEM_BACKING_FAR_FULL,
	Q2_PROBLEM_BACKING_TIGHT,
	/* The guest's structures. */
	Q2_PROBLEM_GUEST_L1_PLACE,
	Q2_PROBLEM_GUEST_L1_ENTRY,
	Q2_PROBLEM_GUEST_L2_PLACE,
	Q2_PROBLEM_GUEST_L2_ENTRY,
	Q2_PROBLEM_GUEST_DATA_PAST_END,
	Q2_PROBLEM_GUEST_COPIED,
	Q2_PROBLEM_GUEST_SNAPSHOTS,
	Q2_PROBLEM_GUEST_ENCRYPTION,
	Q2_PROBLEM_GUEST_REFCOUNT_TABLE,
	Q2_PROBLEM_GUEST_REFCOUNT_LOW,
	Q2_PROBLEM_GUEST_REFCOUNT_HIGH,
	Q2_PROBLEMS
};

enum { Q2_PROBLEM_FIRST_GUEST = Q2_PROBLEM_GUEST_L1_PLACE };

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

/* Whether the user's word that the bitmaps are right settles it: a choice with two sides. */
bool q2_problems_is_trust_asked(const struct qcow2bm_problem *problem);

/* Adds what salvage.c found. */
void q2_problems_add_damage(struct qcow2bm_report *report,
			    const struct q2_damage *damage);

/* Changes the cure of the findings with this code. */
void q2_problems_set_cure(struct qcow2bm_report *report, const char *code,
			  enum qcow2bm_cure cure);

/* Sorts the findings and counts them. Errors: ENOMEM when one was lost. */
enum qcow2bm_code q2_problems_finish(struct qcow2bm_report *report,
				     struct qcow2bm_error *err);

#endif
