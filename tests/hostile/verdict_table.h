/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verdicts of one recipe, those that are equal in one line. */
#ifndef TESTS_VERDICT_TABLE_H
#define TESTS_VERDICT_TABLE_H

#include "hostile.h"

/* Notes how a command ended; what it printed counts where that is wanted. */
void verdict_table_add(const char *command, const struct outcome *outcome, bool printed);

/* Prints them and forgets them. */
void verdict_table_print(const char *recipe);

#endif
