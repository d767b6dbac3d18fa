/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a small file whole, that anybody may have put there. */
#ifndef TOOLS_LIBVIRT_FILE_H
#define TOOLS_LIBVIRT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* libvirt reads no more of a checkpoint's file. */
#define TOOL_FILE_MAX_BYTES ((size_t)1 << 20)

struct tool_file {
	char *bytes; /* and a NUL; owned; NULL when it could not be read */
	size_t count;
	mode_t mode;
};

/* What a reason has room for. */
#define TOOL_WHY 256

/*
 * Reads `name`, relative to the folder with descriptor `folder` (AT_FDCWD: as it stands). Only a regular
 * file of up to TOOL_FILE_MAX_BYTES: no symbolic link is followed in a folder, and nothing waits at a FIFO.
 * Returns false with the reason in `why`, and errno as it was left.
 */
bool tool_file_read(struct tool_file *file, int folder, const char *name,
		    char why[TOOL_WHY]);
void tool_file_free(struct tool_file *file);

#endif
