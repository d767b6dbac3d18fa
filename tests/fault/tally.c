/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table of faults: see tally.h. */
#include "tally.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

/* In the order of the members. */
static const char *const verdict_words[] = {"lost", "wrong",  "broken", "false",
					    "hang", "memory", "other"};

void tally_add(struct tally *total, const struct tally *tally)
{
	for (size_t i = 0; i < FAULT_MODES; i++)
		total->faults[i] += tally->faults[i];
	total->done += tally->done;
	total->refused += tally->refused;
	total->unknown += tally->unknown;
	total->leaked += tally->leaked;
	total->signalled += tally->signalled;
	total->old += tally->old;
	total->new += tally->new;
	total->leaks += tally->leaks;
	for (size_t i = 0; i < VERDICTS; i++)
		total->bad[i] += tally->bad[i];
}

static uint64_t sum(const uint64_t *numbers, size_t count)
{
	uint64_t total = 0;
	for (size_t i = 0; i < count; i++)
		total += numbers[i];
	return total;
}

uint64_t tally_faults(const struct tally *tally)
{
	return sum(tally->faults, FAULT_MODES);
}

uint64_t tally_bad(const struct tally *tally)
{
	return sum(tally->bad, VERDICTS);
}

void tally_print_faults(const char *title, const struct tally *tally)
{
	static const char *const words[] = FAULT_MODE_WORDS;
	printf("%-8.8s", title != NULL ? title : "faults");
	for (size_t i = 0; i < FAULT_MODES; i++)
		if (title == NULL)
			printf(" %7s", words[i]);
		else
			printf(" %7" PRIu64, tally->faults[i]);
	if (title == NULL)
		printf(" %7s\n", "all");
	else
		printf(" %7" PRIu64 "\n", tally_faults(tally));
}

void tally_print_ends(const char *title, const struct tally *tally)
{
	if (title == NULL) {
		printf("%-8s %6s %6s %4s %5s %6s %6s %6s %6s", "ends", "0", "1", "4", "5",
		       "signal", "old", "new", "leaks");
		for (size_t i = 0; i < VERDICTS; i++)
			printf(" %s", verdict_words[i]);
		printf("\n");
		return;
	}
	printf("%-8.8s %6" PRIu64 " %6" PRIu64 " %4" PRIu64 " %5" PRIu64 " %6" PRIu64
	       " %6" PRIu64 " %6" PRIu64 " %6" PRIu64,
	       title, tally->done, tally->refused, tally->unknown, tally->leaked,
	       tally->signalled, tally->old, tally->new, tally->leaks);
	static const int widths[] = {4, 5, 6, 5, 4, 6, 5};
	for (size_t i = 0; i < VERDICTS; i++)
		printf(" %*" PRIu64, widths[i], tally->bad[i]);
	printf("\n");
}
