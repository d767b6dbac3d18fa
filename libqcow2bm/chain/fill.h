/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything counts as changed since a checkpoint: bitmaps that are all dirty. */
#ifndef Q2_CHAIN_FILL_H
#define Q2_CHAIN_FILL_H

#include "stage.h"

/* Whether the stored bits of a bitmap that is there are of no use: it is in-use or corrupt. */
enum qcow2bm_code q2_fill_is_untrue(struct qcow2bm_chain *chain,
				    const struct q2_checkpoint *it, size_t layer,
				    bool *is, struct qcow2bm_error *err);

/* All dirty in the layer, made there where it is not, or is corrupt. */
enum qcow2bm_code q2_fill_layer(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				size_t layer, struct qcow2bm_error *err);

/*
 * The union over all layers is everything as soon as the top's is. Layers below, down to `lowest`, are
 * changed only where that would not be believed: a bitmap that is in-use or corrupt, or, when it shall
 * be in every layer, none.
 */
enum qcow2bm_code q2_fill_below(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				size_t lowest, bool in_every_layer,
				struct qcow2bm_error *err);

/* The lowest layer that has a bitmap of a checkpoint from number `first` up to `end`, as staged; 0 when
 * none has. */
size_t q2_fill_lowest(const struct qcow2bm_chain *chain, size_t first, size_t end);

/* All of a checkpoint of a nested chain: it records in the top and is in every layer. */
enum qcow2bm_code q2_fill_nested(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				 struct qcow2bm_error *err);

#endif
