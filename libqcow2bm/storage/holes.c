/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One look at the file's map for each hole, not for each table. */
#include "holes.h"

#include "../base/checked.h"

#define UNIT_BYTES 512u /* of which parts of tables are multiples */

uint64_t q2_holes_skip(struct q2_holes *holes, uint64_t off, uint64_t end, uint64_t *stop)
{
	*stop = end;
	if (off >= holes->length)
		return off;
	if (off < holes->hole_off || off >= holes->data_end) {
		holes->hole_off = off;
		q2_storage_find_data(holes->storage, off, holes->length, &holes->data_off,
				     &holes->data_end);
	}
	if (holes->data_end < holes->length)
		*stop = q2_min_u64(end, q2_round_up(holes->data_end, UNIT_BYTES));
	uint64_t data = q2_max_u64(off, holes->data_off - holes->data_off % UNIT_BYTES);
	return q2_min_u64(data, end);
}

bool q2_holes_is_empty(struct q2_holes *holes, uint64_t off, uint64_t end)
{
	uint64_t stop;
	return end <= holes->length && q2_holes_skip(holes, off, end, &stop) == end;
}
