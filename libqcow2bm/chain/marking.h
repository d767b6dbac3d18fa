/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Marking two layers, the upper of which has all bits of the lower, and taking the mark away. */
#ifndef Q2_CHAIN_MARKING_H
#define Q2_CHAIN_MARKING_H

#include "stage.h"

/* Stages a mark in the top and in the layer, whose edits are open. One that a killed program left in-use is
 * made anew: QEMU resizes no image that has such. Errors: those of the edit's functions. */
enum qcow2bm_code q2_marking_add(struct qcow2bm_chain *chain, size_t layer,
				 struct qcow2bm_error *err);

/* Stages that the mark of both is gone, if there is one. */
enum qcow2bm_code q2_marking_remove(struct qcow2bm_chain *chain, size_t layer,
				    struct qcow2bm_error *err);

#endif
