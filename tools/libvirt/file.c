/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a small file whole, that anybody may have put there. */
#define _GNU_SOURCE /* O_NOFOLLOW, strerror_r() */
#include "file.h"

#include "../term/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail_errno(char why[TOOL_WHY], const char *what)
{
	int error = errno;
	snprintf(why, TOOL_WHY, "%s: %s", what, strerror(error));
	errno = error;
	return false;
}

static bool check_kind(const struct stat *st, char why[TOOL_WHY])
{
	errno = EINVAL;
	if (S_ISREG(st->st_mode) && st->st_size <= (off_t)TOOL_FILE_MAX_BYTES)
		return true;
	snprintf(why, TOOL_WHY, "%s",
		 S_ISREG(st->st_mode)    ? "it is longer than 1 MiB"
		 : S_ISDIR(st->st_mode)  ? "it is a folder"
		 : S_ISFIFO(st->st_mode) ? "it is a FIFO: libvirt waits at it for ever"
					 : "it is no regular file");
	return false;
}

/* It may grow meanwhile: no more than the limit is read. */
static bool read_all(struct tool_file *file, int fd, char why[TOOL_WHY])
{
	file->bytes = tool_memory_alloc(TOOL_FILE_MAX_BYTES + 2);
	file->count = 0;
	while (file->count <= TOOL_FILE_MAX_BYTES) {
		ssize_t more = read(fd, file->bytes + file->count,
				    TOOL_FILE_MAX_BYTES + 1 - file->count);
		if (more < 0)
			return fail_errno(why, "it cannot be read");
		if (more == 0)
			break;
		file->count += (size_t)more;
	}
	if (file->count > TOOL_FILE_MAX_BYTES) {
		snprintf(why, TOOL_WHY, "it is longer than 1 MiB");
		return false;
	}
	file->bytes[file->count] = '\0';
	file->bytes = tool_memory_resize(file->bytes, file->count + 1, 1);
	return true;
}

bool tool_file_read(struct tool_file *file, int folder, const char *name,
		    char why[TOOL_WHY])
{
	struct stat st;
	*file = (struct tool_file){0};
	int follow = folder == AT_FDCWD ? 0 : O_NOFOLLOW;
	int fd = openat(folder, name,
			O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | follow);
	if (fd < 0 && errno == ELOOP && follow != 0) {
		snprintf(why, TOOL_WHY, "it is a symbolic link, which is not followed");
		return false;
	}
	if (fd < 0)
		return fail_errno(why, "it cannot be opened");
	bool is_read = fstat(fd, &st) == 0 ? check_kind(&st, why)
					   : fail_errno(why, "it cannot be read");
	if (is_read) {
		file->mode = st.st_mode & 07777;
		is_read = read_all(file, fd, why);
	}
	int error = errno;
	close(fd);
	if (!is_read)
		tool_file_free(file);
	errno = error;
	return is_read;
}

void tool_file_free(struct tool_file *file)
{
	free(file->bytes);
	file->bytes = NULL;
	file->count = 0;
}
