/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Judges claims by the record, and prints the table of them. */
#include "tally.h"

#include "steps.h"

#include <stdio.h>
#include <string.h>

enum { MAX_LINES = 64 };

struct line {
	char command[40];
	unsigned claims, none, wrong;
};

static struct line lines[MAX_LINES];
static unsigned line_count;

static struct line *line_of(const char *command)
{
	for (unsigned i = 0; i < line_count; i++)
		if (strcmp(lines[i].command, command) == 0)
			return &lines[i];
	if (line_count == MAX_LINES)
		steps_stop("more than %d kinds of claims", MAX_LINES);
	snprintf(lines[line_count].command, sizeof(lines[0].command), "%s", command);
	return &lines[line_count++];
}

void tally_no_claim(const char *command)
{
	line_of(command)->none++;
}

static bool find_wrong(const char *command, const struct truth *truth, const char *what,
		       int64_t sector)
{
	if (sector < 0)
		return false;
	line_of(command)->wrong++;
	steps_print(
		"FALSE: %s calls %s right, but the sector at %lld %s (written through "
		"QEMU: %u, by another program: %u)",
		command, truth->name, (long long)sector * SECTOR_BYTES, what,
		truth->must[sector], truth->foreign[sector]);
	return true;
}

bool tally_judge(const char *command, const struct truth *truth,
		 const uint8_t marked[MAX_SECTORS])
{
	static const uint8_t none[MAX_SECTORS];
	if (truth == NULL || truth->unclaimed) {
		tally_no_claim(command);
		return true;
	}
	line_of(command)->claims++;
	return !find_wrong(command, truth, "has changed and is not dirty",
			   truth_missing(truth, marked == NULL ? none : marked));
}

bool tally_judge_exact(const char *command, const struct truth *truth,
		       const uint8_t marked[MAX_SECTORS])
{
	if (!tally_judge(command, truth, marked))
		return false;
	return truth == NULL || truth->unclaimed || marked == NULL ||
	       !find_wrong(command, truth, "is dirty and was never written to",
			   truth_surplus(truth, marked));
}

unsigned tally_false(void)
{
	unsigned wrong = 0;
	for (unsigned i = 0; i < line_count; i++)
		wrong += lines[i].wrong;
	return wrong;
}

void tally_print(unsigned sessions)
{
	unsigned claims = 0, none = 0;
	printf("%-32s %8s %8s %8s\n", "command", "claims", "false", "none");
	for (unsigned i = 0; i < line_count; i++) {
		printf("%-32s %8u %8u %8u\n", lines[i].command, lines[i].claims,
		       lines[i].wrong, lines[i].none);
		claims += lines[i].claims;
		none += lines[i].none;
	}
	printf("%u sessions, %u claims, %u false, %u times no claim\n", sessions, claims,
	       tally_false(), none);
}
