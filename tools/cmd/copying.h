/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What chain commit and chain rebase share: edits before and after qemu-img copies data between layers. */
#ifndef TOOLS_CMD_COPYING_H
#define TOOLS_CMD_COPYING_H

#include "disks.h"

enum { TOOL_COPYING_BEFORE = TOOL_DISKS_OWN, TOOL_COPYING_AFTER, TOOL_COPYING_OWN };

struct tool_copying {
	struct tool_disks disks;
	char *top, *base;
	char *base_name;    /* what qemu-img knows BASE by, where that is no path */
	bool before, after; /* these steps alone */
};

/* What does not matter to the command, of what `chain verify` finds. */
typedef bool tool_copying_harmless_fn(const struct tool_copying *copying,
				      const struct qcow2bm_finding *finding,
				      const struct tool_disk *disk, size_t base);

/* A fault would be no fault any more once the data is copied, and its bits would still be missing: refuses
 * each. Returns an exit status. */
int tool_copying_check_sound(struct tool_copying *copying, size_t base,
			     tool_copying_harmless_fn *is_harmless);

/* What qemu-img copies no undo file takes back: with --save the steps are done one by one. Returns
 * TOOL_OPTIONS_GO_ON or the status to exit with. */
int tool_copying_check_saving(const struct tool_copying *copying);

/* Before anything is edited, where qemu-img is to copy: whether it can be run. Returns an exit status. */
int tool_copying_check_qemu_img(const struct tool_copying *copying);

/* Stages one step, BASE being this layer of the disk. Returns an exit status. */
typedef int tool_copying_stage_fn(struct tool_copying *copying, size_t base);

/* Opens the disk, stages one step and does or shows it; only the last edit is reported as JSON. It goes on:
 * something comes behind it. Returns an exit status. */
int tool_copying_step(struct tool_copying *copying, tool_copying_stage_fn *stage,
		      bool is_last_edit, bool goes_on);

#endif
