/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recover --carved: bitmaps that check --carve lists, under new names. */
#ifndef TOOLS_CMD_RECOVER_CARVED_H
#define TOOLS_CMD_RECOVER_CARVED_H

#include "session.h"

/* What is asked for, each with its name. Zeroed: nothing. */
struct tool_carved {
	struct tool_carved_one {
		uint64_t directory_offset;
		uint32_t idx;
		const char *name; /* NULL until --as comes */
	} * all;
	size_t count;
};

/* Takes "OFFSET:INDEX", two decimal numbers, as check --carve prints it. False when it is not
 * that. */
bool tool_carved_take_place(struct tool_carved *carved, const char *text);

/* Takes the name for the last place. False when there is none without a name. */
bool tool_carved_take_name(struct tool_carved *carved, const char *name);

/* Whether each has its name. */
bool tool_carved_is_named(const struct tool_carved *carved);

/* Checks the image, which takes a while, and stages all of them. Prints what fails; returns an
 * exit status. */
int tool_carved_stage(struct tool_session *session, const struct tool_carved *carved,
		      enum qcow2bm_recording recording, bool accept_unsafe);

void tool_carved_free(struct tool_carved *carved);

#endif
