/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting the dirty bytes of a range from pieces of bits. */
#ifndef Q2_CHAIN_TALLY_H
#define Q2_CHAIN_TALLY_H

#include "../source/source.h"

struct q2_tally {
	uint64_t start, end; /* bytes of the disk */
	unsigned granularity_bits;
	uint64_t first_bit, end_bit;
	uint64_t ones;
	bool first_is_set, last_is_set;
};

/* Of the bytes [start, end), which are some. */
struct q2_tally q2_tally_begin(uint64_t start, uint64_t end, unsigned granularity_bits);

/* A q2_source_fn of struct q2_tally: each bit of the range comes once, those around it at most once. */
enum qcow2bm_code q2_tally_add(void *opaque, uint64_t first, uint64_t bits,
			       const uint64_t *words, bool value,
			       struct qcow2bm_error *err);

/* The first and the last bit stand for no more of the disk than the range has of it. */
uint64_t q2_tally_bytes(const struct q2_tally *tally);

#endif
