/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bits of several bitmaps of several layers, ORed, as bits of the top's disk. */
#ifndef Q2_CHAIN_UNION_H
#define Q2_CHAIN_UNION_H

#include "../base/watch.h"
#include "../source/source.h"
#include "layers.h"

struct q2_union {
	struct q2_source *sources;
	size_t count;
	unsigned granularity_bits;
	uint64_t bits;          /* of the top's disk */
	uint64_t virtual_bytes; /* of the top */
	uint64_t changed_from;  /* guest byte: what lies behind it counts as changed */
	uint64_t *words, *other, *scratch;
	struct q2_watch *watch; /* of who reads; may be NULL */
	bool tells;             /* it is all of the work: how far it is, is told */
};

enum {
	Q2_UNION_COARSEST = 1u << 0, /* at the coarsest granularity, else at the finest */
	Q2_UNION_UNTRUSTED = 1u << 1, /* bitmaps in use and corrupt ones, too */
	Q2_UNION_NO_TAIL = 1u << 2    /* nothing counts as changed that no bit says */
};

/*
 * Opens these bitmaps. Where a layer that is smaller than the top has one, or stands above one that
 * does, what lies behind its end counts as changed. *u is to be closed, also after a failure.
 * Errors: EINVAL for an index out of range; EINUSE, EIMAGE for what cannot be trusted; ESYSTEM,
 * ENOMEM.
 */
enum qcow2bm_code q2_union_open(struct q2_union *u, struct qcow2bm_chain *chain,
				const struct qcow2bm_layer_bitmap *bitmaps, size_t count,
				unsigned flags, struct qcow2bm_error *err);

/* The same for all bitmaps of `count` checkpoints from number `first` on. */
enum qcow2bm_code q2_union_open_checkpoints(struct q2_union *u,
					    struct qcow2bm_chain *chain, size_t first,
					    size_t count, unsigned flags,
					    struct qcow2bm_error *err);

/* A bit stands for this and nothing less, where the finest of the bitmaps does not. */
void q2_union_set_granularity(struct q2_union *u, unsigned granularity_bits);

/* Calls fn for the bits [first, end) piece by piece, as q2_source_visit() does. */
enum qcow2bm_code q2_union_visit(struct q2_union *u, uint64_t first, uint64_t end,
				 q2_source_fn *fn, void *opaque,
				 struct qcow2bm_error *err);

#define Q2_UNION_WINDOW_BITS ((uint64_t)1 << 20)

/* Fills u->words with the bits [first, first+bits), of one window at most; true: all of them are
 * *value, and u->words is not filled. `first` is a multiple of 64. */
enum qcow2bm_code q2_union_read(struct q2_union *u, uint64_t first, uint64_t bits,
				bool *is_uniform, bool *value, struct qcow2bm_error *err);

/* What lies behind this byte of the disk no bitmap of the layers from the top down to `lowest` tells. */
uint64_t q2_union_changed_from(const struct qcow2bm_chain *chain, size_t lowest);

void q2_union_close(struct q2_union *u);

#endif
