/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text that is built in memory and printed at the end. */
#define _GNU_SOURCE /* vasprintf() */

#include "text.h"

#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for `count` bytes and a NUL; returns where they go. */
static char *extend(struct tool_text *text, size_t count)
{
	size_t needed = text->used + count + 1;
	if (needed > text->room) {
		text->room = needed < 2 * text->room ? 2 * text->room : needed + 256;
		text->bytes = tool_memory_resize(text->bytes, text->room, 1);
	}
	char *place = text->bytes + text->used;
	text->used += count;
	text->bytes[text->used] = '\0';
	return place;
}

void tool_text_add(struct tool_text *text, const char *bytes, size_t count)
{
	if (count != 0)
		memcpy(extend(text, count), bytes, count);
}

void tool_text_print(struct tool_text *text, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char *bytes;
	int count = vasprintf(&bytes, fmt, args);
	va_end(args);
	if (count < 0)
		tool_memory_fail();
	tool_text_add(text, bytes, (size_t)count);
	free(bytes);
}

void tool_text_fill(struct tool_text *text, char byte, size_t count)
{
	memset(extend(text, count), byte, count);
}

void tool_text_free(struct tool_text *text)
{
	free(text->bytes);
	memset(text, 0, sizeof(*text));
}
