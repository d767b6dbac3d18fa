/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets of clusters of the image file, as sorted runs. */
#ifndef Q2_CLUSTERS_CLUSTERS_H
#define Q2_CLUSTERS_CLUSTERS_H

#include "../qcow2bm.h"

struct q2_run {
	uint64_t first; /* cluster index: byte offset >> cluster_bits */
	uint64_t count;
};

/* All zero is the empty set. */
struct q2_clusters {
	struct q2_run *runs;
	size_t count;
	size_t room;
	bool is_sorted;
};

void q2_clusters_free(struct q2_clusters *set);

/* Adds a run. Cheap for ascending and adjacent runs; others are sorted in by
 * q2_clusters_sort(). Errors: ENOMEM. */
enum qcow2bm_code q2_clusters_add(struct q2_clusters *set, uint64_t first, uint64_t count,
				  struct qcow2bm_error *err);

/* As q2_clusters_add(), for clusters that come again and again in any order: those that are known
 * need no room. Errors: ENOMEM. */
enum qcow2bm_code q2_clusters_note(struct q2_clusters *set, uint64_t first,
				   uint64_t count, struct qcow2bm_error *err);

/* Adds all runs of `more`. Errors: ENOMEM. */
enum qcow2bm_code q2_clusters_append(struct q2_clusters *set,
				     const struct q2_clusters *more,
				     struct qcow2bm_error *err);

/* Sorts and joins the runs; clusters that were added more than once are added to `twice`
 * (NULL allowed), which is sorted too. Errors: ENOMEM. */
enum qcow2bm_code q2_clusters_sort(struct q2_clusters *set, struct q2_clusters *twice,
				   struct qcow2bm_error *err);

/* The rest needs sorted sets. */

/* The first cluster of [first, first+count) that is in the set; false when none is. */
bool q2_clusters_overlap(const struct q2_clusters *set, uint64_t first, uint64_t count,
			 uint64_t *hit);

/* How many clusters of [first, first+count) are in the set. */
uint64_t q2_clusters_count(const struct q2_clusters *set, uint64_t first, uint64_t count);

/* set := set without `other`. Errors: ENOMEM. */
enum qcow2bm_code q2_clusters_subtract(struct q2_clusters *set,
				       const struct q2_clusters *other,
				       struct qcow2bm_error *err);

uint64_t q2_clusters_total(const struct q2_clusters *set);

/* Takes `count` adjacent clusters out of the first run that has them. */
bool q2_clusters_take(struct q2_clusters *set, uint64_t count, uint64_t *first);

/* Takes this one cluster, if it is what q2_clusters_take() of one would take. */
bool q2_clusters_take_next(struct q2_clusters *set, uint64_t cluster);

#endif
