/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leaving out the holes of a file: a table in one names nothing, however long it is. */
#ifndef Q2_STORAGE_HOLES_H
#define Q2_STORAGE_HOLES_H

#include "storage.h"

/* What was last found out. Begin with the first two members, the rest zero. */
struct q2_holes {
	struct q2_storage *storage;
	uint64_t
		length; /* of the file: what lies past it is no hole, and reading it fails */
	uint64_t hole_off, data_off, data_end; /* a hole, and the data behind it */
};

/* The first byte of [off, end), a multiple of 512 or `off` itself, that may hold something; `end`
 * when all of it reads as zeros. *stop is where that part ends, behind which to ask again. */
uint64_t q2_holes_skip(struct q2_holes *holes, uint64_t off, uint64_t end,
		       uint64_t *stop);

/* Whether [off, end) is inside the file and all of it reads as zeros. */
bool q2_holes_is_empty(struct q2_holes *holes, uint64_t off, uint64_t end);

#endif
