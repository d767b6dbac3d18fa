/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Allocations that fail, for a program that is linked with $(fail_memory_ldflags): those of the
 * library and of the test, not those inside the C library. The sanitizers' own stay beneath.
 */
#ifndef TESTS_FAIL_MEMORY_H
#define TESTS_FAIL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Belongs to the test, which may change it between calls; zeroed, nothing fails. */
struct memory_faults {
	bool is_on;         /* allocations are counted, and may fail */
	uint64_t at, until; /* those that fail, from 1; 0: none */
	uint64_t calls;     /* counted so far */
	uint64_t failures;  /* made so far */
	int64_t blocks;     /* allocated and not yet freed, counted always */
};

extern struct memory_faults memory_faults;

#endif
