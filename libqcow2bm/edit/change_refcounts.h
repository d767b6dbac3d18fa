/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raising and lowering refcounts. */
#ifndef Q2_EDIT_CHANGE_REFCOUNTS_H
#define Q2_EDIT_CHANGE_REFCOUNTS_H

#include "../clusters/refcounts.h"

enum q2_change {
	Q2_CHANGE_RAISE,  /* from 0 to 1 */
	Q2_CHANGE_LOWER,  /* from 1 to 0 */
	Q2_CHANGE_TO_ONE, /* from any value */
	Q2_CHANGE_TO_ZERO
};

/*
 * Changes the refcounts of a sorted set. RAISE and LOWER of another value: EIMAGE. Crash, and failure: any part of the change may be on disk; the caller orders it
 * against the references.
 */
enum qcow2bm_code q2_change_refcounts(struct q2_refcounts *refcounts,
				      const struct q2_clusters *set,
				      enum q2_change change, struct qcow2bm_error *err);

#endif
