/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain delete: checkpoints go from all layers of all disks. */
#include "chain.h"
#include "chain_finish.h"

static int run_delete(int argc, char **argv)
{
	return tool_chain_run_by_name(&tool_chain_delete, argc, argv,
				      qcow2bm_chain_delete_several);
}

const struct tool_command tool_chain_delete = {
	.name = "chain delete",
	.synopsis = "[OPTION]... -c NAME... IMAGE...",
	.summary = "Delete checkpoints in every layer, on every disk",
	.help = "What changed since each other checkpoint stays what it was: in the delta scheme\n"
		"the bits of a deleted one go to the one before it, which records from then on if\n"
		"the deleted one did. Deleting a checkpoint that only some of the disks have is\n"
		"done on those. Refused where what changed since one that stays is not known, and\n"
		"would look known afterwards: delete that one, too, or see `chain verify`.\n"
		"\n" TOOL_HELP_CHAIN_EDIT "\n"
		"Options:\n" TOOL_HELP_DISKS TOOL_HELP_EDIT "\n"
		"Examples:\n"
		"  qcow2bm chain delete -c chk-2026-11-08 disk.qcow2\n"
		"  qcow2bm chain delete -n -c chk-1 -c chk-2 vda.qcow2 vdb.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run_delete,
};
