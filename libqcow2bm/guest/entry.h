/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one L2 entry says of its cluster, or of a run of its subclusters. Pure. */
#ifndef Q2_GUEST_ENTRY_H
#define Q2_GUEST_ENTRY_H

#include "../clusters/l2.h"
#include "disk.h"

struct q2_guest_entry {
	enum q2_guest_kind kind;
	/* Where the cluster begins in its file, or the stream; Q2_GUEST_NO_PLACE. */
	uint64_t place;
	uint64_t stream_bytes; /* of a compressed one */
	unsigned
		subclusters; /* from the one asked for on, that are alike; 1 of 1 without */
};

/*
 * Decodes an entry: its first 8 bytes and, of an extended one, the second. Returns why QEMU
 * would not read it, or NULL.
 */
const char *q2_guest_entry_decode(struct q2_guest_entry *entry,
				  const struct q2_l2_form *form, unsigned version,
				  uint64_t first, uint64_t second, unsigned subcluster);

#endif
