/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A mark in two layers, that the upper one has all bits of the lower: a commit copies data there. */
#ifndef Q2_CHAIN_LIFTED_H
#define Q2_CHAIN_LIFTED_H

#include "layers.h"

/* Whether bitmap `idx` of a layer is such a mark, and one of its name is in a layer above or below. */
bool q2_lifted_is_mark(const struct qcow2bm_chain *chain, size_t layer, size_t idx);

/* Sees which layers are marked so. */
void q2_lifted_find(struct qcow2bm_chain *chain);

/* Whether the layer's only bitmap is such a mark, which is in a layer above, too. */
bool q2_lifted_has_only_mark(const struct qcow2bm_chain *chain, size_t layer);

/* The mark that a layer and the top share, by its numbers in both; QCOW2BM_NOT_FOUND: none. */
size_t q2_lifted_shared(const struct qcow2bm_chain *chain, size_t layer, size_t *above);

#endif
