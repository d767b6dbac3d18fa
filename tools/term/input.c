/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that a command reads whole. */
#define _POSIX_C_SOURCE 200809L
#include "input.h"

#include "command.h"
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int read_all(int fd, const char *filename, size_t max_bytes,
		    struct tool_text *text)
{
	char part[65536];
	for (;;) {
		ssize_t got = read(fd, part, sizeof(part));
		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			return TOOL_EXIT_DONE;
		if (got < 0) {
			tool_message(filename, "cannot read: %s", strerror(errno));
			return TOOL_EXIT_FAILED;
		}
		if ((size_t)got > max_bytes - text->used) {
			tool_message(filename, "it has more than %zu bytes", max_bytes);
			return TOOL_EXIT_FAILED;
		}
		tool_text_add(text, part, (size_t)got);
	}
}

int tool_input_read(const char *filename, size_t max_bytes, struct tool_text *text)
{
	if (strcmp(filename, "-") == 0)
		return read_all(STDIN_FILENO, "standard input", max_bytes, text);
	int fd = open(filename, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		tool_message(filename, "cannot open: %s", strerror(errno));
		return TOOL_EXIT_FAILED;
	}
	int status = read_all(fd, filename, max_bytes, text);
	close(fd);
	return status;
}
