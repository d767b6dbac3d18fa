/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit must not make that look known which is not: what changed since a checkpoint. */
#ifndef Q2_CHAIN_DOUBTS_H
#define Q2_CHAIN_DOUBTS_H

#include "layers.h"

/*
 * Asks of each checkpoint whether what changed since it is known, before anything is staged: bitmaps go on to
 * record, take over bits or go, and with that what shows the loss. Does nothing the second time. Errors: those
 * of qcow2bm_chain_explain().
 */
enum qcow2bm_code q2_doubts_begin(struct qcow2bm_chain *chain, struct qcow2bm_error *err);

/* Fails when what changed since the checkpoint is not known. Errors: EINVAL. */
enum qcow2bm_code q2_doubts_refuse(const struct qcow2bm_chain *chain, size_t idx,
				   struct qcow2bm_error *err);

/* The same for each of them. */
enum qcow2bm_code q2_doubts_refuse_all(const struct qcow2bm_chain *chain,
				       struct qcow2bm_error *err);

#endif
