/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit must not make that look known which is not: what changed since a checkpoint. */
#ifndef Q2_CHAIN_DOUBTS_H
#define Q2_CHAIN_DOUBTS_H

#include "layers.h"

/*
 * Fails when what changed since the checkpoint is not known: an edit would have bitmaps go on to record, take over
 * bits or go, and with that what shows the loss. To be asked before anything is staged; later it tells nothing.
 * Errors: EINVAL; those of qcow2bm_chain_explain().
 */
enum qcow2bm_code q2_doubts_refuse(struct qcow2bm_chain *chain, size_t idx,
				   struct qcow2bm_error *err);

/* The same for each of them. */
enum qcow2bm_code q2_doubts_refuse_all(struct qcow2bm_chain *chain,
				       struct qcow2bm_error *err);

#endif
