/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bits that come piece by piece, told as extents of the disk. */
#ifndef Q2_BITMAP_EXTENTS_H
#define Q2_BITMAP_EXTENTS_H

#include "../qcow2bm.h"

/* The extent that is growing: [start, ...) with one value, until a bit of the other comes. */
struct q2_extents {
	qcow2bm_extent_fn *fn;
	void *opaque;
	unsigned granularity_bits;
	uint64_t first_bit; /* of the range asked for */
	uint64_t end;       /* guest byte where the range ends */
	uint64_t start;     /* guest byte where the growing extent starts */
	bool value;
	bool has_value;
};

/* Extents of the guest bytes [start, end), which is not empty. */
struct q2_extents q2_extents_begin(uint64_t start, uint64_t end,
				   unsigned granularity_bits, qcow2bm_extent_fn *fn,
				   void *opaque);

/* A q2_source_fn; opaque: the extents. Errors: ESTOPPED when fn returned non-zero. */
enum qcow2bm_code q2_extents_add(void *opaque, uint64_t first, uint64_t bits,
				 const uint64_t *words, bool value,
				 struct qcow2bm_error *err);

/* After the last piece. Errors: ESTOPPED. */
enum qcow2bm_code q2_extents_end(struct q2_extents *extents, struct qcow2bm_error *err);

#endif
