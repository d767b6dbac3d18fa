/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much of the disk a committed bitmap marks dirty, in memory that no table makes grow. */
#ifndef Q2_BITMAP_DIRTY_H
#define Q2_BITMAP_DIRTY_H

#include "../image/image.h"
#include "parts.h"

struct q2_dirty {
	uint64_t bytes;         /* of the range that are dirty; 0 when not counted */
	uint64_t data_clusters; /* that the whole table names */
};

/* Reads the table, and, to count bits, the data that it has for the guest bytes [start,
 * start+length), which lie inside the disk; adds to `parts`, unless that is NULL, where they lie. Errors: EIMAGE when they cannot be read; ESYSTEM,
 * ENOMEM. */
enum qcow2bm_code q2_dirty_count(const struct qcow2bm_image *image,
				 const struct q2_bitmap *bitmap, uint64_t start,
				 uint64_t length, bool count_bits, struct q2_parts *parts,
				 struct q2_dirty *dirty, struct qcow2bm_error *err);

#endif
