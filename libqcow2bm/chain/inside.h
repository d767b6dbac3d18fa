/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the bits of checkpoints tell of each other, and of the layers. */
#ifndef Q2_CHAIN_INSIDE_H
#define Q2_CHAIN_INSIDE_H

#include "../base/watch.h"
#include "flaws.h"

/* Nested: whether an older checkpoint has all bits of the next one. Errors: EIMAGE, ESYSTEM, ENOMEM,
 * EINTERRUPTED. */
enum qcow2bm_code q2_inside_verify(struct qcow2bm_findings *findings,
				   struct qcow2bm_chain *chain, struct q2_watch *watch,
				   struct qcow2bm_error *err);

/* Whether clusters that a layer holds are clean in a bitmap that was begun with the layer, as a lower
 * one has it, too. Errors: the same. */
enum qcow2bm_code q2_allocated_verify(struct qcow2bm_findings *findings,
				      struct qcow2bm_chain *chain, struct q2_watch *watch,
				      struct qcow2bm_error *err);

/* Whether a bitmap tells what was recorded: it is neither in-use nor corrupt. NULL does. */
static inline bool q2_inside_is_trusted(const struct q2_bitmap *bitmap)
{
	return bitmap == NULL || (bitmap->problem == NULL &&
				  !(bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE));
}

#endif
