/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deleting a checkpoint in all layers of a disk. */
#ifndef Q2_CHAIN_REMOVE_H
#define Q2_CHAIN_REMOVE_H

#include "layers.h"

/* As qcow2bm_chain_delete(), whatever is known of the others: for a repair, which has asked. */
enum qcow2bm_code q2_remove_one(struct qcow2bm_chain *chain, size_t idx,
				struct qcow2bm_error *err);

/* Delta, in an unknown order: all go but the newest, which needs no bits of theirs. Errors: those of
 * q2_stage_drop() and q2_stage_rename(). */
enum qcow2bm_code q2_remove_older(struct qcow2bm_chain *chain, size_t newest,
				  struct qcow2bm_error *err);

#endif
