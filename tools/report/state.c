/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How states and severities are shown to people: their words, and their colours on a terminal. */
#include "state.h"

#include <string.h>

const char *tool_state_word(enum qcow2bm_state state)
{
	if (state == QCOW2BM_STATE_VALID)
		return "recording";
	if (state == QCOW2BM_STATE_DISABLED)
		return "paused";
	return qcow2bm_state_name(state);
}

enum tool_colour tool_state_colour(enum qcow2bm_state state)
{
	switch (state) {
	case QCOW2BM_STATE_VALID:
		return TOOL_COLOUR_GOOD;
	case QCOW2BM_STATE_DISABLED:
		return TOOL_COLOUR_NONE;
	case QCOW2BM_STATE_IN_USE_LIVE:
	case QCOW2BM_STATE_IN_USE_UNKNOWN:
		return TOOL_COLOUR_DOUBT;
	case QCOW2BM_STATE_IN_USE_STALE:
	case QCOW2BM_STATE_CORRUPT:
		break;
	}
	return TOOL_COLOUR_BAD;
}

static void add_cell(struct tool_table *table, enum tool_colour colour, const char *word)
{
	struct tool_text cell = {0};
	tool_colour_add(&cell, colour, word, strlen(word));
	tool_table_add(table, cell.bytes);
	tool_text_free(&cell);
}

void tool_state_add_cell(struct tool_table *table, enum qcow2bm_state state)
{
	add_cell(table, tool_state_colour(state), tool_state_word(state));
}

void tool_state_add_severity(struct tool_table *table, enum qcow2bm_severity severity)
{
	static const struct {
		const char *word;
		enum tool_colour colour;
	} severities[] = {
		[QCOW2BM_SEVERITY_NOTE] = {"note", TOOL_COLOUR_NOTHING},
		[QCOW2BM_SEVERITY_LEAK] = {"leak", TOOL_COLOUR_DOUBT},
		[QCOW2BM_SEVERITY_WARNING] = {"warning", TOOL_COLOUR_DOUBT},
		[QCOW2BM_SEVERITY_ERROR] = {"ERROR", TOOL_COLOUR_BAD},
	};
	add_cell(table, severities[severity].colour, severities[severity].word);
}
