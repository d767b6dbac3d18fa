/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In which scheme checkpoints are kept, and in which order they were made. */
#ifndef Q2_CHAIN_ORDER_H
#define Q2_CHAIN_ORDER_H

#include "layers.h"

/* The scheme that the flags and names of the uppermost layer with checkpoints tell. */
enum qcow2bm_scheme q2_scheme_find(const struct qcow2bm_chain *chain);

/* The uppermost layer that has checkpoints, or layer_count. */
size_t q2_scheme_layer(const struct qcow2bm_chain *chain);

/* Delta, and the order is not known: whether this is the newest all the same, since it alone records and none
 * is its child. */
bool q2_scheme_is_newest(const struct qcow2bm_chain *chain, size_t idx);

/* That one, or QCOW2BM_NOT_FOUND. */
size_t q2_scheme_newest(const struct qcow2bm_chain *chain);

/* Puts the checkpoints of a delta chain in the order that names and flags tell; false, with the
 * reason in chain->gap: they tell none. Errors: ENOMEM. */
enum qcow2bm_code q2_order_by_names(struct qcow2bm_chain *chain, bool *is_ordered,
				    struct qcow2bm_error *err);

/* ---- verdict.c ---- */

/* As qcow2bm_chain_explain(), whatever the layers hold. */
enum qcow2bm_code q2_verdict_by_bitmaps(struct qcow2bm_chain *chain, size_t idx,
					const struct qcow2bm_since **result,
					struct qcow2bm_error *err);

/* ---- nesting.c ---- */

/* Puts the checkpoints of a nested chain in the order that their bits tell: the older one has all
 * bits of the newer one. false, with the reason in chain->gap: they tell none. Errors: EIMAGE,
 * ESYSTEM, ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_nesting_order(struct qcow2bm_chain *chain, bool *is_ordered,
				   struct qcow2bm_error *err);

/* Whether what is set in checkpoint `newer` is set in `older`, too, and whether both are equal, over
 * all layers and at the coarsest granularity of theirs. */
enum qcow2bm_code q2_nesting_compare(struct qcow2bm_chain *chain, size_t older,
				     size_t newer, bool *is_inside, bool *is_equal,
				     struct qcow2bm_error *err);

#endif
