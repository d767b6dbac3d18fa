/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recover --carved: one bitmap that check --carve lists, under a new name. */
#ifndef TOOL_RECOVER_CARVED_H
#define TOOL_RECOVER_CARVED_H

#include "edit.h"

/* Reads "OFFSET:INDEX", two decimal numbers, as check --carve prints it. False when it is not
 * that. */
bool tool_carved_parse(const char *text, struct qcow2bm_carved_options *options);

/* Checks the image, which takes a while, and stages the bitmap. Prints what fails; returns an exit
 * status. */
int tool_carved_stage(const struct tool_edit *edit,
		      const struct qcow2bm_carved_options *options, const char *name);

#endif
