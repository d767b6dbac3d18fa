/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text in lines of a width, broken between words. */
#include "fold.h"

#include "memory.h"
#include "name.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

size_t tool_fold_terminal(void)
{
	struct winsize size;
	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_col;
}

/* How many bytes of the text go into `columns`: whole words, or a word that is longer alone. */
static size_t line_bytes(const char *text, size_t columns)
{
	size_t taken = 0, end = strcspn(text, " ");
	for (;;) {
		char *line = tool_memory_copy(text, end);
		bool fits = tool_name_columns(line) <= columns;
		free(line);
		if (!fits && taken != 0)
			return taken;
		taken = end;
		if (text[end] == '\0')
			return taken;
		end += 1 + strcspn(text + end + 1, " ");
	}
}

void tool_fold_add(struct tool_text *text, const char *sentence, size_t indent,
		   size_t columns)
{
	size_t room = columns > indent ? columns - indent : 1;
	while (*sentence != '\0') {
		size_t bytes =
			columns == 0 ? strlen(sentence) : line_bytes(sentence, room);
		tool_text_add(text, sentence, bytes);
		tool_text_add(text, "\n", 1);
		sentence += bytes;
		if (*sentence == ' ' && *++sentence != '\0')
			tool_text_fill(text, ' ', indent);
	}
}

void tool_fold_since(struct tool_text *text, size_t from)
{
	size_t terminal = tool_fold_terminal();
	if (terminal == 0 || text->used <= from)
		return;
	char *lines = tool_memory_copy(text->bytes + from, text->used - from);
	text->used = from;
	for (char *line = lines, *end; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		if (*line == '\0')
			tool_text_add(text, "\n", 1);
		else
			tool_fold_add(text, line, strspn(line, " ") + 4, terminal);
	}
	free(lines);
}
