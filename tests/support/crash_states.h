/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All that a power cut can leave of what was recorded. */
#ifndef TESTS_CRASH_STATES_H
#define TESTS_CRASH_STATES_H

#include "record_storage.h"

/* How many states are looked at between two syncs. */
struct crash_limits {
	size_t sector_bytes; /* what the disk writes whole: 512 or 4096; 0: 512 */
	uint64_t all;        /* all of them, when there are no more than that */
	uint64_t
		sample; /* else so many at random, besides every prefix, every single loss and
			  * every single survivor */
	size_t first_stretch; /* the syncs before the first state that is looked at */
};

struct crash_state {
	const struct memory_file *file; /* may be read until the next call */
	size_t stretch;                 /* the number of syncs before */
	uint64_t digest;                /* equal: the same bytes, in any recording */
};

typedef void crash_fn(void *opaque, const struct crash_state *state);

/* What a sanitizer looks for is in lines that run, not in states: it sees one in eight, without
 * QCOW2BM_CRASH_ALL. Asked once for each. */
bool crash_states_is_left_out(void);

/*
 * Calls fn for the states that a power cut can leave: what a sync covered is there; each
 * sector written since has its old content or that of any later moment, whatever the others
 * have; the file has any length that it had since. A sector behind the end is lost.
 */
void crash_states_visit(const struct record_log *log, const struct crash_limits *limits,
			crash_fn *fn, void *opaque);

/* The digest of a whole file. */
uint64_t crash_states_digest(const struct memory_file *file);

#endif
