/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image's own structures in the window, L2 tables aside. */
#ifndef Q2_CHECK_STRUCTURES_H
#define Q2_CHECK_STRUCTURES_H

#include "mapping.h"
#include "refcounts.h"

struct q2_check_structures {
	struct q2_survey *survey;
	const struct q2_check_mapping *mapping;
	const struct q2_check_refcounts *refcounts;
	struct q2_clusters metadata; /* their clusters, known after the first pass */
};

/* Counts them. Errors: ENOMEM. */
enum qcow2bm_code q2_check_structures_count(struct q2_check_structures *structures,
					    struct qcow2bm_error *err);

#endif
