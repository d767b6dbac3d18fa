/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Standard output: whatever cannot be written there is a failure of the command. */
#define _POSIX_C_SOURCE 200809L

#include "output.h"

#include "memory.h"
#include "message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int tool_output_bytes(const char *bytes, size_t count)
{
	while (count != 0) {
		ssize_t written = write(STDOUT_FILENO, bytes, count);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			tool_message(NULL, "cannot write to standard output: %s",
				     strerror(errno));
			return TOOL_EXIT_FAILED;
		}
		bytes += written;
		count -= (size_t)written;
	}
	return TOOL_EXIT_DONE;
}

int tool_output_text(struct tool_text *text)
{
	int status = tool_output_bytes(text->bytes, text->used);
	tool_text_free(text);
	return status;
}

static int append(const char *bytes, size_t count, void *opaque)
{
	tool_text_add(opaque, bytes, count);
	return 0;
}

int tool_output_json(json_t *value)
{
	struct tool_text text = {0};
	if (json_dump_callback(value, append, &text, JSON_INDENT(4)) != 0)
		tool_memory_fail(); /* strings were made valid: nothing else can fail */
	json_decref(value);
	tool_text_add(&text, "\n", 1);
	return tool_output_text(&text);
}
