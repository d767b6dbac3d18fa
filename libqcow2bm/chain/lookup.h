/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checkpoints of a disk by name, where many are looked up. */
#ifndef Q2_CHAIN_LOOKUP_H
#define Q2_CHAIN_LOOKUP_H

#include "layers.h"

struct q2_lookup {
	const struct qcow2bm_chain *chain;
	size_t *sorted; /* numbers of checkpoints in the order of their names */
};

/* Errors: ENOMEM. To be closed in any case. */
enum qcow2bm_code q2_lookup_open(struct q2_lookup *lookup,
				 const struct qcow2bm_chain *chain,
				 struct qcow2bm_error *err);

/* The checkpoint with this name of its own, or QCOW2BM_NOT_FOUND. */
size_t q2_lookup_find(const struct q2_lookup *lookup, const uint8_t *name, size_t bytes);

void q2_lookup_close(struct q2_lookup *lookup);

#endif
