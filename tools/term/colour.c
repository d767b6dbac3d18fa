/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Colours of text on a terminal. */
#define _POSIX_C_SOURCE 200809L

#include "colour.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum tool_colour_when chosen = TOOL_COLOUR_AUTO;

void tool_colour_choose(enum tool_colour_when when)
{
	chosen = when;
}

static bool is_wanted(void)
{
	if (chosen != TOOL_COLOUR_AUTO)
		return chosen == TOOL_COLOUR_ALWAYS;
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
	return (no == NULL || no[0] == '\0') && terminal != NULL &&
	       strcmp(terminal, "dumb") != 0 && isatty(STDOUT_FILENO);
}

void tool_colour_add(struct tool_text *text, enum tool_colour colour, const char *bytes,
		     size_t count)
{
	static const char *const codes[] = {
		[TOOL_COLOUR_GOOD] = "32",
		[TOOL_COLOUR_DOUBT] = "33",
		[TOOL_COLOUR_BAD] = "31",
		[TOOL_COLOUR_NOTHING] = "2",
	};
	bool is_coloured = colour != TOOL_COLOUR_NONE && is_wanted();
	if (is_coloured)
		tool_text_print(text, "\033[%sm", codes[colour]);
	tool_text_add(text, bytes, count);
	if (is_coloured)
		tool_text_print(text, "\033[0m");
}
