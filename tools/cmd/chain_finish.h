/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of every chain command that edits: print the plan, or commit all layers of all disks. */
#ifndef TOOLS_CMD_CHAIN_FINISH_H
#define TOOLS_CMD_CHAIN_FINISH_H

#include "disks.h"
#include "together.h"

/* Adds what is staged on all layers of the disks. */
void tool_chain_collect(struct tool_together *together, const struct tool_disks *disks);

/* Plans or commits what is staged, all or nothing, and reports; returns an exit status. */
int tool_chain_finish(struct tool_disks *disks);

/* Runs a command of the form `chain VERB -c NAME... IMAGE...`, which stages `stage` for those of the names that
 * a disk has, on each disk. A name that a disk does not have is no failure if another disk has it. */
typedef enum qcow2bm_code tool_chain_stage_fn(struct qcow2bm_chain *chain,
					      const size_t *idxs, size_t count,
					      struct qcow2bm_error *err);
int tool_chain_run_by_name(const struct tool_command *command, int argc, char **argv,
			   tool_chain_stage_fn *stage);

#define TOOL_HELP_CHAIN_EDIT                                                                  \
	"All layers of all disks get the new state, or none does. Layers that hold none of\n" \
	"the bitmaps are not touched. Killed in the middle, the same command, typed again,\n" \
	"or `qcow2bm chain resume`, finishes; until then all others refuse the disk.\n"

#endif
