/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The L2 walk: which of some clusters belong to the guest. */
#ifndef Q2_CLUSTERS_SEARCH_H
#define Q2_CLUSTERS_SEARCH_H

#include "../base/watch.h"
#include "../image/image.h"
#include "clusters.h"

/* Adds to `named` each cluster of `wanted` that an L2 entry of the disk or of a snapshot names:
 * reads every L2 table once, in the order of their places, several at a time. Errors: EIMAGE,
 * ESYSTEM, ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_search_find(struct qcow2bm_image *image,
				 const struct q2_clusters *l2_tables,
				 const struct q2_clusters *wanted,
				 struct q2_clusters *named, struct q2_watch *watch,
				 struct qcow2bm_error *err);

#endif
