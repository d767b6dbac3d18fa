/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bits that an edit takes for true: what it merges, recovers, or keeps under another name or
 * flag. Refcounts cannot tell that the tables of the guest's disk name their clusters too; the L2
 * tables can. None of it is asked in a repair, nor where refcounts are trusted.
 */
#ifndef Q2_EDIT_BELIEVED_H
#define Q2_EDIT_BELIEVED_H

#include "plan.h"

/* Adds their clusters, as far as they are in the edited image; sorted. Errors: EIMAGE, ESYSTEM,
 * ENOMEM. */
enum qcow2bm_code q2_believed_collect(const struct q2_plan *plan, struct q2_clusters *set,
				      struct qcow2bm_error *err);

/* Refuses the edit when one of these is the guest's: among what its L2 tables were found to name,
 * or one of the image's structures. Errors: EIMAGE, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_believed_check(const struct q2_plan *plan,
				    const struct q2_clusters *guest,
				    struct qcow2bm_error *err);

/* Does both for the sources of a merge that are in other images; the L2 tables of each are read
 * once. Errors: as q2_search_find(). */
enum qcow2bm_code q2_believed_check_others(const struct q2_plan *plan,
					   struct qcow2bm_error *err);

#endif
