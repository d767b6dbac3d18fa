/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much changed since a checkpoint, as far as its bitmaps are to be believed. */
#ifndef Q2_CHAIN_CHANGED_H
#define Q2_CHAIN_CHANGED_H

#include "../base/watch.h"
#include "layers.h"

struct q2_changed {
	bool is_known; /* all layers tell it, and the top records */
	uint64_t bytes;
};

/* The order must have been found. Errors: ESYSTEM, ENOMEM, EINTERRUPTED; what is wrong with bitmaps is
 * not known. */
enum qcow2bm_code q2_changed_count(struct qcow2bm_chain *chain, size_t idx,
				   struct q2_changed *changed,
				   const struct qcow2bm_watch *watch,
				   struct qcow2bm_error *err);

#endif
