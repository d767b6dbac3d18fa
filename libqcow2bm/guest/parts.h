/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a disk is made of. */
#ifndef Q2_GUEST_PARTS_H
#define Q2_GUEST_PARTS_H

#include "crew.h"

struct qcow2bm_disk {
	struct q2_guest_layer *layers; /* the top first; 1 at least */
	size_t count;
	bool lacks_backing; /* the lowest layer has a backing file, which was not opened */
	uint64_t bytes;
	struct qcow2bm_disk_extent shown; /* what the caller was given */
	struct qcow2bm_comparison
		comparison; /* ... of the last one with this disk as the first */
	struct q2_guest_fetcher fetcher;
	unsigned threads;     /* that share a read; 0: as many as there are processors */
	struct q2_crew *crew; /* NULL until a read is large enough */
};

#endif
