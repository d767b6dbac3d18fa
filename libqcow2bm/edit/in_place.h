/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A new directory that needs no new cluster: in the place of the old one, by one sector's write. */
#ifndef Q2_EDIT_IN_PLACE_H
#define Q2_EDIT_IN_PLACE_H

#include "plan.h"

/*
 * Plans the new directory where the old one is. Of the entries that are to be deleted nothing need
 * change when they stand last: the header counts fewer. Else they are put last by one write inside
 * one sector, which leaves the same bitmaps in another order, before the header is switched. An edit
 * that deletes nothing is itself such a write. Not planned is what reaches further, or needs
 * clusters for other things: plan->in_place.bytes stays NULL then. Errors: ENOMEM.
 */
enum qcow2bm_code q2_in_place_plan(struct q2_plan *plan, struct qcow2bm_error *err);

#endif
