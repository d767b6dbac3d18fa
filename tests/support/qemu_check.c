/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The judgement of qemu-img check on an image in memory. */
#define _POSIX_C_SOURCE 200809L
#include "qemu_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_all(int fd, const struct memory_file *file)
{
	uint64_t done = 0;
	while (done < file->length) {
		ssize_t n = write(fd, file->bytes + done, (size_t)(file->length - done));
		if (n <= 0)
			abort();
		done += (uint64_t)n;
	}
}

int qemu_check(const struct memory_file *file)
{
	char path[] = "/tmp/qcow2bm-state.XXXXXX", command[128];
	int fd = mkstemp(path);
	if (fd < 0)
		abort();
	write_all(fd, file);
	close(fd);
	snprintf(command, sizeof(command),
		 "qemu-img check -q -f qcow2 %s >/dev/null 2>&1", path);
	int status = system(command);
	unlink(path);
	if (status == -1 || !WIFEXITED(status))
		abort();
	return WEXITSTATUS(status);
}
