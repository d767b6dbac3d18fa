/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that a command reads whole. */
#define _POSIX_C_SOURCE 200809L
#include "input.h"

#include "command.h"
#include "memory.h"
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tool_sum all;

/* What can be read no more than once: standard input, pipes. */
struct kept {
	char *name;
	struct tool_text text;
};
static struct kept *kept;
static size_t kept_count;

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

static const struct kept *find_kept(const char *filename)
{
	for (size_t i = 0; i < kept_count; i++)
		if (strcmp(kept[i].name, filename) == 0)
			return &kept[i];
	return NULL;
}

static void keep(const char *filename, const char *bytes, size_t count)
{
	kept = tool_memory_resize(kept, kept_count + 1, sizeof(*kept));
	struct kept *it = &kept[kept_count++];
	*it = (struct kept){.name = tool_memory_copy(filename, strlen(filename))};
	tool_text_add(&it->text, bytes, count);
}

static int open_file(const char *filename, int *fd)
{
	bool is_standard = strcmp(filename, "-") == 0;
	*fd = is_standard ? STDIN_FILENO
			  : open(filename, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (*fd >= 0)
		return TOOL_EXIT_DONE;
	tool_message(filename, "cannot open: %s", strerror(errno));
	return TOOL_EXIT_FAILED;
}

/* What it had is added; it is kept where it cannot be read again. */
static int read_new(const char *filename, size_t max_bytes, struct tool_text *text)
{
	size_t before = text->used;
	struct stat st;
	int fd, status = open_file(filename, &fd);
	if (status != TOOL_EXIT_DONE)
		return status;
	bool is_once = fd == STDIN_FILENO || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode);
	status = read_all(fd, fd == STDIN_FILENO ? "standard input" : filename, max_bytes,
			  text);
	if (status == TOOL_EXIT_DONE && is_once)
		keep(filename, text->bytes == NULL ? "" : text->bytes + before,
		     text->used - before);
	if (fd != STDIN_FILENO)
		close(fd);
	return status;
}

int tool_input_read(const char *filename, size_t max_bytes, struct tool_text *text)
{
	size_t before = text->used;
	const struct kept *it = find_kept(filename);
	int status = TOOL_EXIT_DONE;
	if (it == NULL)
		status = read_new(filename, max_bytes, text);
	else
		tool_text_add(text, it->text.bytes == NULL ? "" : it->text.bytes,
			      it->text.used);
	if (text->used != before)
		tool_sum_add(&all, text->bytes + before, text->used - before);
	return status;
}
