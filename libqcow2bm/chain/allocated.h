/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clusters that a layer holds, and that are clean in bitmaps which are older than the layer. */
#ifndef Q2_CHAIN_ALLOCATED_H
#define Q2_CHAIN_ALLOCATED_H

#include "layers.h"

/* What a layer holds and no bitmap tells of. */
struct q2_allocated_loss {
	uint64_t bytes; /* 0: nothing */
	uint64_t first; /* byte of the disk */
};

/* Whether a checkpoint, or in the delta scheme a newer one, was there before the layer was: what the layer
 * holds was written since. */
bool q2_allocated_is_older(const struct qcow2bm_chain *chain, size_t layer, size_t idx);

/*
 * What the layer holds and is clean since the checkpoint, by all bitmaps that tell of it. Nothing is found
 * where all are missing, or one is in-use or corrupt, or one between them is gone: that is a reason by itself.
 * `watch` may be NULL. Errors: EIMAGE, ESYSTEM, ENOMEM, EINTERRUPTED, the sentence names the layer.
 */
enum qcow2bm_code q2_allocated_find(struct qcow2bm_chain *chain, size_t layer, size_t idx,
				    struct q2_watch *watch,
				    struct q2_allocated_loss *loss,
				    struct qcow2bm_error *err);

#endif
