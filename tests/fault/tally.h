/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What faults were made and what became of them, counted for each command, as a table. */
#ifndef TESTS_TALLY_H
#define TESTS_TALLY_H

#include "../support/preload_fault.h"

#include <stdbool.h>
#include <stdint.h>

/* What is wrong with the end of a run. */
enum verdict {
	VERDICT_LOST, /* a bitmap is gone that both states have */
	VERDICT_WRONG, /* neither the old state nor the new one, or not the bitmaps' changed */
	VERDICT_BROKEN,        /* worse than leaks */
	VERDICT_FALSE_SUCCESS, /* exit status 0 or 5 without the durable new state */
	VERDICT_HANG,
	VERDICT_MEMORY, /* left behind */
	VERDICT_OTHER,  /* status, signal, sentence or output does not fit the state */
	VERDICTS
};

struct tally {
	uint64_t faults[FAULT_MODES];
	uint64_t done, refused, unknown, leaked,
		signalled;        /* by exit status 0 1 4 5, or not */
	uint64_t old, new, leaks; /* states of the image */
	uint64_t bad[VERDICTS];
};

void tally_add(struct tally *total, const struct tally *tally);
uint64_t tally_faults(const struct tally *tally);
uint64_t tally_bad(const struct tally *tally);

/* Rows of the two halves of the table; a title of NULL prints the heads of the columns. */
void tally_print_faults(const char *title, const struct tally *tally);
void tally_print_ends(const char *title, const struct tally *tally);

#endif
