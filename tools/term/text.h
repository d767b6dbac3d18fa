/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text that is built in memory and printed at the end. */
#ifndef TOOLS_TERM_TEXT_H
#define TOOLS_TERM_TEXT_H

#include <stddef.h>

/* Zeroed: empty. */
struct tool_text {
	char *bytes; /* ends in a NUL once anything was added */
	size_t used; /* without the NUL */
	size_t room;
};

void tool_text_add(struct tool_text *text, const char *bytes, size_t count);
void tool_text_print(struct tool_text *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void tool_text_fill(struct tool_text *text, char byte, size_t count);
void tool_text_free(struct tool_text *text);

#endif
