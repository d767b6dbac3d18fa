/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images that operands name: each itself, or, as @FILE, those that a list names. */
#include "image_names.h"

#include "command.h"
#include "input.h"
#include "memory.h"
#include "message.h"

#include <stdlib.h>
#include <string.h>

#define MAX_LIST_BYTES ((size_t)64 << 20)

static void add(struct tool_image_names *names, const char *name, size_t bytes)
{
	if ((names->count & (names->count - 1)) == 0)
		names->list = tool_memory_resize(names->list,
						 names->count == 0 ? 1 : 2 * names->count,
						 sizeof(*names->list));
	names->list[names->count++] = tool_memory_copy(name, bytes);
}

static void add_all(struct tool_image_names *names, const struct tool_text *text)
{
	bool has_nul = text->used != 0 && memchr(text->bytes, '\0', text->used) != NULL;
	char separator = has_nul ? '\0' : '\n';
	for (size_t at = 0; at < text->used;) {
		const char *end = memchr(text->bytes + at, separator, text->used - at);
		size_t bytes = end == NULL ? text->used - at
					   : (size_t)(end - (text->bytes + at));
		if (bytes != 0)
			add(names, text->bytes + at, bytes);
		at += bytes + 1;
	}
}

/* Nothing to do is no success: of a list that a failed command left empty nobody would notice. */
static int take_list(struct tool_image_names *names, const char *filename)
{
	struct tool_text text = {0};
	size_t before = names->count;
	int status = tool_input_read(filename, MAX_LIST_BYTES, &text);
	if (status == TOOL_EXIT_DONE)
		add_all(names, &text);
	tool_text_free(&text);
	if (status == TOOL_EXIT_DONE && names->count == before) {
		tool_message(strcmp(filename, "-") == 0 ? "standard input" : filename,
			     "the list names no image");
		status = TOOL_EXIT_FAILED;
	}
	return status;
}

int tool_image_names_take(struct tool_image_names *names, int count, char **operands)
{
	int status = TOOL_EXIT_DONE;
	*names = (struct tool_image_names){.is_several = count > 1};
	for (int i = 0; i < count && status == TOOL_EXIT_DONE; i++) {
		if (operands[i][0] != '@') {
			add(names, operands[i], strlen(operands[i]));
			continue;
		}
		names->is_several = true;
		status = take_list(names, operands[i] + 1);
	}
	return status;
}

void tool_image_names_free(struct tool_image_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i]);
	free(names->list);
	*names = (struct tool_image_names){.count = 0};
}
