/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* That what a commit writes in place is nothing else. */
#ifndef Q2_EDIT_APART_H
#define Q2_EDIT_APART_H

#include "plan.h"

/* Adds the clusters of the header, the refcount table and the refcount blocks; sorted.
 * Errors: ENOMEM. */
enum qcow2bm_code q2_apart_collect(const struct q2_plan *plan,
				   struct q2_clusters *in_place,
				   struct qcow2bm_error *err);

/* Refuses an image in which one of them is another structure too: the committed directory, or
 * among those that the guest and the bitmaps that stay have been found to name, or data that
 * the edit reads. A bitmap that is deleted or cleared may name them: that is how the image
 * gets rid of it. That it is the header's cluster is noted in plan->is_header_shared.
 * Errors: EIMAGE. */
enum qcow2bm_code q2_apart_check(struct q2_plan *plan, const struct q2_clusters *in_place,
				 const struct q2_clusters *directory,
				 const struct q2_clusters *named,
				 struct qcow2bm_error *err);

#endif
