/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The refcounts that are stored, compared with the references that were counted. */
#ifndef Q2_CHECK_REFCOUNTS_H
#define Q2_CHECK_REFCOUNTS_H

#include "survey.h"

struct q2_check_refcounts {
	struct q2_survey *survey;
	struct q2_refcounts stored;
	struct q2_tally leaked; /* clusters that nothing refers to */
	uint64_t last_used;     /* the highest cluster with a reference or a refcount */
};

/* Loads the refcount table. What is wrong with it is a finding. Errors: ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_check_refcounts_open(struct q2_check_refcounts *refcounts,
					  struct q2_survey *survey,
					  struct qcow2bm_error *err);

/* Adds what is wrong with the places of refcount blocks in this window. */
void q2_check_refcounts_look_at_blocks(const struct q2_check_refcounts *refcounts);

/* Compares the window's counts with the stored refcounts. */
enum qcow2bm_code q2_check_refcounts_compare(struct q2_check_refcounts *refcounts,
					     struct qcow2bm_error *err);

/* Collects the clusters past the end of the file that are counted: in an image whose guest is
 * sound nothing but dropped bitmaps refers to them. */
enum qcow2bm_code
q2_check_refcounts_find_behind(const struct q2_check_refcounts *refcounts,
			       struct qcow2bm_error *err);

#endif
