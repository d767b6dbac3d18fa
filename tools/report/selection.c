/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which bitmaps are reported: --match and --state. */
#define _POSIX_C_SOURCE 200809L

#include "selection.h"

#include "../term/choice.h"
#include "state.h"

#include <string.h>

#define BIT(state) (1u << (state))

const char *tool_selection_word(unsigned number)
{
	if (number <= QCOW2BM_STATE_CORRUPT)
		return tool_state_word((enum qcow2bm_state)number);
	switch (number - QCOW2BM_STATE_CORRUPT) {
	case 1:
		return "in-use";
	case 2:
		return qcow2bm_state_name(QCOW2BM_STATE_VALID);
	case 3:
		return qcow2bm_state_name(QCOW2BM_STATE_DISABLED);
	default:
		return NULL;
	}
}

/* What each of these words stands for. */
static unsigned find_states(unsigned number)
{
	switch (number) {
	case QCOW2BM_STATE_CORRUPT + 1:
		return BIT(QCOW2BM_STATE_IN_USE_LIVE) | BIT(QCOW2BM_STATE_IN_USE_STALE) |
		       BIT(QCOW2BM_STATE_IN_USE_UNKNOWN);
	case QCOW2BM_STATE_CORRUPT + 2:
		return BIT(QCOW2BM_STATE_VALID);
	case QCOW2BM_STATE_CORRUPT + 3:
		return BIT(QCOW2BM_STATE_DISABLED);
	default:
		return BIT(number);
	}
}

int tool_selection_take_states(struct tool_selection *selection,
			       const struct tool_command *command, const char *list)
{
	static const struct tool_choice choice = {"--state", "state",
						  tool_selection_word};
	while (list != NULL) {
		unsigned number;
		int status = tool_choice_next(&choice, command, &list, &number);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
		selection->states |= find_states(number);
	}
	return TOOL_OPTIONS_GO_ON;
}

bool tool_selection_has_name(const struct tool_selection *selection, const char *name,
			     size_t name_bytes)
{
	return selection->match.count == 0 ||
	       tool_match_has(&selection->match, name, name_bytes);
}

bool tool_selection_has_state(const struct tool_selection *selection,
			      enum qcow2bm_state state)
{
	return selection->states == 0 || (selection->states & BIT(state)) != 0;
}

void tool_selection_free(struct tool_selection *selection)
{
	tool_match_free(&selection->match);
	memset(selection, 0, sizeof(*selection));
}
