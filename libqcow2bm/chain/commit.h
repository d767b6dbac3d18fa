/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a commit and a rebase share: the bits of several layers in the bitmaps of the top. */
#ifndef Q2_CHAIN_COMMIT_H
#define Q2_CHAIN_COMMIT_H

#include "stage.h"

/* Something must go on: the scheme is known, and a bitmap records in the top, as it is staged. Errors:
 * EINVAL. */
enum qcow2bm_code q2_commit_check_top(const struct qcow2bm_chain *chain,
				      struct qcow2bm_error *err);

/*
 * Stages on the top, whose edit is open: a checkpoint's bitmap there gets the bits of the layers below it
 * down to `deepest`, and what lies behind the end of a smaller one. Delta: it is made where it is missing,
 * silent. Nested: one that the top has none of is stale, and left alone. Errors: those of the
 * edit's functions, the sentence names the layer.
 */
enum qcow2bm_code q2_commit_gather(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				   size_t deepest, struct qcow2bm_error *err);

#endif
