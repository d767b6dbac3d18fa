/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage that fails on demand. */
#ifndef TESTS_FAULT_STORAGE_H
#define TESTS_FAULT_STORAGE_H

#include "storage/storage.h"

enum {
	FAULT_READ = 1u << 0,
	FAULT_WRITE = 1u << 1,
	FAULT_SYNC = 1u << 2,
	FAULT_RESIZE = 1u << 3,
	FAULT_DISCARD = 1u << 4,
	FAULT_LENGTH = 1u << 5,
	FAULT_ANY = (1u << 6) - 1
};

/* What fails. It belongs to the test, which may change it between calls; zeroed, nothing
 * fails and nothing is counted. */
struct fault_plan {
	unsigned kinds; /* calls of these kinds are counted */
	size_t at; /* the number, from 1, of the counted call that fails; 0 for none */
	bool from_then_on; /* all counted calls after it fail too */
	bool half_first;   /* a failing write leaves the first half of its bytes behind */
	size_t half_unit; /* ... rounded down so that it ends at a multiple of this; 0: 1 */
	int sys_errno;    /* how they fail */
	size_t calls;     /* counted so far */
	size_t failures; /* made so far */
};

/* Opens a storage over `below`, which it closes with itself. */
struct q2_storage *fault_storage_open(struct q2_storage *below, struct fault_plan *plan);

#endif
