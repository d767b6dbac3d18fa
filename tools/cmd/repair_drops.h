/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* repair --drop, --match, --drop-index: the bitmaps that are to be dropped besides the damaged ones. */
#ifndef TOOLS_CMD_REPAIR_DROPS_H
#define TOOLS_CMD_REPAIR_DROPS_H

#include "../term/match.h"
#include "session.h"

/* As they were typed. Zeroed: none. */
struct tool_drops {
	const char **names;
	size_t name_count;
	struct tool_match match;
	size_t *indexes;
	size_t index_count;
};

void tool_drops_add_name(struct tool_drops *drops, const char *name);

/* Takes decimal digits. False when it is not that. */
bool tool_drops_take_index(struct tool_drops *drops, const char *digits);

/* The numbers, in *found, of those that are meant in the image of the session; the caller frees it. Prints what
 * fails; returns an exit status. */
int tool_drops_find(const struct tool_drops *drops, const struct tool_session *session,
		    size_t **found, size_t *count);

void tool_drops_free(struct tool_drops *drops);

#endif
