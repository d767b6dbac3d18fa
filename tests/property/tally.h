/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts the claims of each command, and those that are false. */
#ifndef PROPERTY_TALLY_H
#define PROPERTY_TALLY_H

#include "truth.h"

/* The command ran and claimed nothing about it: refused, in-use, without a guarantee. */
void tally_no_claim(const char *command);

/* The command calls the bitmap right, and these sectors are marked in it; NULL where there are
 * none to be had. Not judged where nobody may be held to it. False where the claim is. */
bool tally_judge(const char *command, const struct truth *truth,
		 const uint8_t marked[MAX_SECTORS]);

/* The same, and nothing may be marked that was never written to. */
bool tally_judge_exact(const char *command, const struct truth *truth,
		       const uint8_t marked[MAX_SECTORS]);

unsigned tally_false(void);
void tally_print(unsigned sessions);

#endif
