/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Choosing free clusters for an edit. Nothing is written here. */
#ifndef Q2_EDIT_ALLOC_H
#define Q2_EDIT_ALLOC_H

#include "../clusters/clusters.h"
#include "../clusters/refcounts.h"

struct q2_alloc {
	struct q2_clusters
		free_clusters;    /* in ascending order; shrinks as they are taken */
	struct q2_clusters taken; /* handed out, in that order */
	uint64_t
		lacking; /* so many were asked for last, and there is no room; 0: there was */
	struct q2_clusters wrongly_free; /* found in use though their refcount is 0 */
};

/*
 * Looks for free clusters: in what the bitmaps of the image used before, then at the end of a
 * file that can grow; in all of a device. Errors: EIMAGE, ESYSTEM, ENOMEM.
 */
enum qcow2bm_code q2_alloc_open(struct q2_alloc *alloc, struct q2_refcounts *refcounts,
				struct qcow2bm_error *err);
void q2_alloc_close(struct q2_alloc *alloc);

/* Takes `count` adjacent clusters. Errors: ESYSTEM with ENOSPC; ENOMEM. */
enum qcow2bm_code q2_alloc_take(struct q2_alloc *alloc, uint64_t count, uint64_t *first,
				struct qcow2bm_error *err);

/* Takes `count` clusters in as few runs as are found, and appends them to `set`. */
enum qcow2bm_code q2_alloc_take_any(struct q2_alloc *alloc, uint64_t count,
				    struct q2_clusters *set, struct qcow2bm_error *err);

#endif
