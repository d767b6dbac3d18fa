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

static struct tool_sum all;
static struct tool_text standard_input;
static bool is_standard_input_read;

void tool_input_begin(void)
{
	tool_sum_begin(&all);
}

void tool_input_sum(uint8_t sum[TOOL_SUM_BYTES])
{
	struct tool_sum so_far = all;
	tool_sum_end(&so_far, sum);
}

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

static int read_standard_input(size_t max_bytes, struct tool_text *text)
{
	if (!is_standard_input_read) {
		int status = read_all(STDIN_FILENO, "standard input", max_bytes,
				      &standard_input);
		if (status != TOOL_EXIT_DONE)
			return status;
	}
	is_standard_input_read = true;
	tool_text_add(text, standard_input.bytes, standard_input.used);
	return TOOL_EXIT_DONE;
}

static int read_file(const char *filename, size_t max_bytes, struct tool_text *text)
{
	int fd = open(filename, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		tool_message(filename, "cannot open: %s", strerror(errno));
		return TOOL_EXIT_FAILED;
	}
	int status = read_all(fd, filename, max_bytes, text);
	close(fd);
	return status;
}

int tool_input_read(const char *filename, size_t max_bytes, struct tool_text *text)
{
	size_t before = text->used;
	int status = strcmp(filename, "-") == 0 ? read_standard_input(max_bytes, text)
						: read_file(filename, max_bytes, text);
	if (text->used != before)
		tool_sum_add(&all, text->bytes + before, text->used - before);
	return status;
}
