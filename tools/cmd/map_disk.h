/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The extents of the disk itself. */
#ifndef TOOLS_CMD_MAP_DISK_H
#define TOOLS_CMD_MAP_DISK_H

#include "../term/options.h"

struct tool_map_disk {
	const struct tool_options *options;
	const char *format;   /* "qcow2", "raw", or "": as it begins */
	const char *snapshot; /* or NULL */
	bool backing_chain;   /* of all layers */
	uint64_t start, length;
};

/* Prints them as `qemu-img map` does; returns an exit status. */
int tool_map_disk_run(const struct tool_map_disk *map, const char *filename);

#endif
