/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which bitmaps are reported: --match and --state. */
#ifndef TOOLS_REPORT_SELECTION_H
#define TOOLS_REPORT_SELECTION_H

#include "../term/match.h"
#include "../term/options.h"

#include <qcow2bm.h>

/* Zeroed: all. */
struct tool_selection {
	struct tool_match match; /* of names; one that matches is enough */
	unsigned states;         /* bit 1 << state for each that is wanted; 0: any */
};

/* Takes a list of states, as people or JSON call them; "in-use" is any of these. Returns
 * TOOL_OPTIONS_GO_ON or the status to exit with. */
int tool_selection_take_states(struct tool_selection *selection,
			       const struct tool_command *command, const char *list);

/* The words of states, NULL behind the last; those from TOOL_SELECTION_WORDS on are JSON's older ones. */
#define TOOL_SELECTION_WORDS (QCOW2BM_STATE_CORRUPT + 2)
const char *tool_selection_word(unsigned number);

bool tool_selection_has_name(const struct tool_selection *selection, const char *name,
			     size_t name_bytes);
bool tool_selection_has_state(const struct tool_selection *selection,
			      enum qcow2bm_state state);

void tool_selection_free(struct tool_selection *selection);

#endif
