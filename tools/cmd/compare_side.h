/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One of the two that compare is given: a disk, or the manifest of one. */
#ifndef TOOLS_CMD_COMPARE_SIDE_H
#define TOOLS_CMD_COMPARE_SIDE_H

#include "../term/options.h"

/* qemu-img's statuses. */
enum {
	TOOL_COMPARE_SAME = 0,
	TOOL_COMPARE_DIFFERENT = 1,
	TOOL_COMPARE_CANNOT_OPEN = 2,
	TOOL_COMPARE_CANNOT_MAP = 3,
	TOOL_COMPARE_CANNOT_READ = 4
};

struct tool_compare_side {
	const char *filename; /* as it was given */
	const char *format;   /* "": as it begins */
	const char *snapshot;
	struct qcow2bm_chain *chain;
	struct qcow2bm_disk *disk; /* or NULL, of a manifest */
	struct qcow2bm_old *manifest;
	uint64_t bytes; /* of the disk */
};

/* How both are opened. */
struct tool_compare_opening {
	const struct tool_options *options;
	bool image_opts; /* names are lists KEY=VALUE,... */
	bool strict;
};

/* Opens what side->filename says. Prints what fails; returns an exit status. The side is to be closed, also
 * after a failure. */
int tool_compare_side_open(struct tool_compare_side *side,
			   const struct tool_compare_opening *opening);
void tool_compare_side_close(struct tool_compare_side *side);

#endif
