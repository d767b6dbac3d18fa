/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain delete and keep: checkpoints go from all layers of all disks. */
#include "../term/memory.h"
#include "../term/message.h"
#include "chain.h"
#include "chain_finish.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static int run_delete(int argc, char **argv)
{
	return tool_chain_run_by_name(&tool_chain_delete, argc, argv,
				      qcow2bm_chain_delete);
}

const struct tool_command tool_chain_delete = {
	.name = "chain delete",
	.synopsis = "[OPTION]... -c NAME... IMAGE...",
	.summary = "Delete checkpoints in every layer, on every disk",
	.help = "What changed since each other checkpoint stays what it was: in the delta scheme\n"
		"the bits of a deleted one go to the one before it, which records from then on if\n"
		"the deleted one did. Deleting a checkpoint that only some of the disks have is\n"
		"done on those.\n"
		"\n" TOOL_HELP_CHAIN_EDIT "\n"
		"Options:\n" TOOL_HELP_DISKS TOOL_HELP_EDIT "\n"
		"Examples:\n"
		"  qcow2bm chain delete -c chk-2026-11-08 disk.qcow2\n"
		"  qcow2bm chain delete -n -c chk-1 -c chk-2 vda.qcow2 vdb.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run_delete,
};

/* Whether a pattern names the checkpoint; which ones named any is noted. */
static bool is_kept(const struct tool_disks *disks, const struct qcow2bm_checkpoint *it,
		    bool *was_used)
{
	bool kept = false;
	char *name = tool_memory_copy(it->name, it->name_bytes);
	for (size_t i = 0; i < disks->name_count; i++)
		if (fnmatch(disks->names[i], name, 0) == 0)
			kept = was_used[i] = true;
	free(name);
	return kept;
}

/* From the newest on: those that are left keep their numbers. */
static int stage_disk(const struct tool_disks *disks, const struct tool_disk *disk,
		      bool *was_used)
{
	for (size_t i = qcow2bm_chain_count(disk->chain); i-- > 0;) {
		struct qcow2bm_error err = {0};
		if (is_kept(disks, qcow2bm_chain_checkpoint(disk->chain, i), was_used))
			continue;
		if (qcow2bm_chain_delete(disk->chain, i, &err) != QCOW2BM_OK)
			return tool_message_fail(disk->filename, &err);
	}
	return TOOL_EXIT_DONE;
}

static int keep(struct tool_disks *disks, int count, char **filenames)
{
	bool *was_used = tool_memory_zeroed(disks->name_count, sizeof(bool));
	int status = tool_disks_open(disks, count, filenames);
	for (size_t i = 0; i < disks->count && status == TOOL_EXIT_DONE; i++)
		status = stage_disk(disks, &disks->list[i], was_used);
	/* A name that is mistyped must not empty the chain. */
	for (size_t i = 0; i < disks->name_count && status == TOOL_EXIT_DONE; i++)
		if (!was_used[i]) {
			tool_message(disks->list[0].filename,
				     "no checkpoint is named '%s'", disks->names[i]);
			status = TOOL_EXIT_FAILED;
		}
	if (status == TOOL_EXIT_DONE)
		status = tool_chain_finish(disks);
	free(was_used);
	return status;
}

static int run_keep(int argc, char **argv)
{
	static const struct option long_options[] = {
		TOOL_DISKS_OPTIONS,
		TOOL_OPTIONS_EDIT,
	};
	struct tool_disks disks = {.options = {.command = &tool_chain_keep},
				   .is_editing = true};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_EDIT_LETTERS TOOL_DISKS_LETTERS,
				  long_options, NULL)) != -1)
		status = tool_disks_take(&disks, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON && disks.name_count == 0)
		status = tool_message_usage(&tool_chain_keep,
					    "a checkpoint is wanted: -c NAME");
	if (status == TOOL_OPTIONS_GO_ON)
		status = keep(&disks, argc - optind, argv + optind);
	tool_disks_close(&disks);
	return status;
}

const struct tool_command tool_chain_keep = {
	.name = "chain keep",
	.synopsis = "[OPTION]... -c NAME... IMAGE...",
	.summary = "Keep these checkpoints, and delete all others",
	.help = "NAME may be a pattern as the shell has them: *, ?, [a-z]. Each must name a\n"
		"checkpoint, or nothing is done. The others are deleted as `chain delete` does it.\n"
		"\n" TOOL_HELP_CHAIN_EDIT "\n"
		"Options:\n" TOOL_HELP_DISKS TOOL_HELP_EDIT "\n"
		"Examples:\n"
		"  qcow2bm chain keep -c 'chk-2026-11-*' disk.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run_keep,
};
