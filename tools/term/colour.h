/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Colours of text on a terminal. */
#ifndef TOOLS_TERM_COLOUR_H
#define TOOLS_TERM_COLOUR_H

#include "text.h"

enum tool_colour {
	TOOL_COLOUR_NONE,
	TOOL_COLOUR_GOOD,   /* green */
	TOOL_COLOUR_DOUBT,  /* yellow */
	TOOL_COLOUR_BAD,    /* red */
	TOOL_COLOUR_NOTHING /* faint */
};

/* Whether there are any: as --color says it. */
enum tool_colour_when { TOOL_COLOUR_AUTO, TOOL_COLOUR_ALWAYS, TOOL_COLOUR_NEVER };
void tool_colour_choose(enum tool_colour_when when);

/* Appends the text, in this colour, unless chosen otherwise where standard output is a terminal that knows colours and the
 * environment has no NO_COLOR, or an empty one (no-color.org). */
void tool_colour_add(struct tool_text *text, enum tool_colour colour, const char *bytes,
		     size_t count);

#endif
