/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a method of recovering promises for a bitmap, and under which conditions. */
#ifndef Q2_BITMAP_PROMISE_H
#define Q2_BITMAP_PROMISE_H

#include "../edit/edit.h"

/* Judges a method, not AUTO, for a committed bitmap: fills *promise, and *doubt with why it is
 * unsafe, else NULL. Conditions that are in `assumed` are taken for true where only traces speak
 * against them, and not where the image disproves them. Errors: as qcow2bm_edit_recover(), but for
 * EINUSE. */
enum qcow2bm_code q2_promise_judge(struct qcow2bm_edit *edit, struct q2_staged *staged,
				   enum qcow2bm_recovery method, unsigned assumed,
				   struct qcow2bm_promise *promise, const char **doubt,
				   struct qcow2bm_error *err);

/* The best method whose conditions are all assumed; what a better one would want is in
 * promise->better_conditions. All dirty wants nothing. Errors: the same. */
enum qcow2bm_code q2_promise_choose(struct qcow2bm_edit *edit, struct q2_staged *staged,
				    unsigned assumed, struct qcow2bm_promise *promise,
				    struct qcow2bm_error *err);

#endif
