/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names in a folder. */
#define _XOPEN_SOURCE 700
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool sync_fd(int fd)
{
	int rc;
	do {
		rc = fsync(fd);
	} while (rc != 0 && errno == EINTR);
	return rc == 0;
}

char *q2_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
}

bool q2_folder_sync(const char *path)
{
	char *folder = q2_folder_of(path);
	int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_synced = fd >= 0 && sync_fd(fd);
	int error = errno;
	free(folder);
	if (fd >= 0)
		close(fd);
	errno = error;
	return is_synced;
}
