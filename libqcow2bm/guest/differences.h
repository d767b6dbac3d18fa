/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which granules of a disk differ from another state of it: bits, in memory that only mixed parts
 * take. */
#ifndef Q2_GUEST_DIFFERENCES_H
#define Q2_GUEST_DIFFERENCES_H

#include "../bits/uniform.h"
#include "../qcow2bm.h"

struct q2_differences_page;

struct q2_differences {
	unsigned granularity_bits;
	uint64_t bits; /* of the disk */
	struct q2_differences_page *pages;
	uint64_t ones;
};

/* No bit is set. Errors: ENOMEM. */
enum qcow2bm_code q2_differences_open(struct q2_differences *it, uint64_t virtual_bytes,
				      unsigned granularity_bits,
				      struct qcow2bm_error *err);

/* Sets the bits [first, end), as far as the disk goes. Errors: ENOMEM. */
enum qcow2bm_code q2_differences_set(struct q2_differences *it, uint64_t first,
				     uint64_t end, struct qcow2bm_error *err);

/* What the bits [first, end), at least one, have in common. */
enum q2_uniform q2_differences_classify(const struct q2_differences *it, uint64_t first,
					uint64_t end);

/* Fills whole bytes of `words` with the bits [first, end); `first` is a multiple of 64. Bits behind
 * the last one may be anything. */
void q2_differences_read(const struct q2_differences *it, uint64_t first, uint64_t end,
			 uint64_t *words);

void q2_differences_close(struct q2_differences *it);

#endif
