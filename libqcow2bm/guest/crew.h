/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads that share the pieces of one read. */
#ifndef Q2_GUEST_CREW_H
#define Q2_GUEST_CREW_H

#include "fetch.h"

struct q2_crew;

/* A piece of a disk, and where its bytes go. */
struct q2_crew_piece {
	struct q2_guest_extent extent;
	uint8_t *buf;
};

/* Starts threads, `threads` of them, 0 for as many as there are processors, or fewer where their memory
 * would not be bounded, for reads from these layers; the caller's own is one of them. Errors: ENOMEM. */
enum qcow2bm_code q2_crew_open(struct q2_crew **crew, const struct q2_guest_layer *layers,
			       size_t layer_count, unsigned threads,
			       struct qcow2bm_error *err);
/* NULL is allowed. */
void q2_crew_close(struct q2_crew *crew);

/* Fetches all pieces, and returns when that is done. Errors: that of the first piece that cannot be, as
 * q2_guest_fetch(). */
enum qcow2bm_code q2_crew_fetch(struct q2_crew *crew, const struct q2_crew_piece *pieces,
				size_t count, struct qcow2bm_error *err);

#endif
