/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain restored: after a restore, what can still be true of the checkpoints stays. */
#include "../term/message.h"
#include "chain.h"
#include "chain_finish.h"

struct restored {
	struct tool_disks disks;
	const char *at;
	bool all_dirty;
};

enum { AT = TOOL_DISKS_OWN, ALL_DIRTY };

static int go_back(const struct restored *restored, const struct tool_disk *disk)
{
	size_t idx;
	struct qcow2bm_error err = {0};
	int status = tool_disks_find(disk, restored->at, &idx);
	if (status == TOOL_EXIT_DONE &&
	    qcow2bm_chain_go_back(disk->chain, idx, &err) != QCOW2BM_OK)
		status = tool_message_fail(disk->filename, &err);
	return status;
}

static int stage(const struct restored *restored, const struct tool_disk *disk)
{
	struct qcow2bm_error err = {0};
	if (restored->at != NULL)
		return go_back(restored, disk);
	size_t count = qcow2bm_chain_count(disk->chain);
	enum qcow2bm_code code = restored->all_dirty
					 ? qcow2bm_chain_fill(disk->chain, &err)
					 : qcow2bm_chain_forget(disk->chain, &err);
	if (code != QCOW2BM_OK)
		return tool_message_fail(disk->filename, &err);
	if (!restored->all_dirty && count != 0 && !restored->disks.options.quiet)
		tool_message(
			disk->filename,
			"warning: all checkpoints (%zu) are deleted: the next backup "
			"is a full one",
			count);
	return TOOL_EXIT_DONE;
}

static int edit_all(struct restored *restored, int count, char **filenames)
{
	struct tool_disks *disks = &restored->disks;
	int status = tool_disks_open_all(disks, count, filenames);
	for (size_t i = 0; i < disks->count && status == TOOL_EXIT_DONE; i++)
		status = stage(restored, &disks->list[i]);
	return status == TOOL_EXIT_DONE ? tool_chain_finish(disks) : status;
}

static int take_option(struct restored *restored, int opt, char **argv)
{
	if (opt == AT)
		restored->at = optarg;
	else if (opt == ALL_DIRTY)
		restored->all_dirty = true;
	else
		return tool_disks_take(&restored->disks, opt, argv);
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"at", required_argument, NULL, AT},
		{"all-dirty", no_argument, NULL, ALL_DIRTY},
		{"scheme", required_argument, NULL, TOOL_DISKS_SCHEME},
		{"order", required_argument, NULL, TOOL_DISKS_ORDER},
		TOOL_OPTIONS_EDIT,
	};
	struct restored restored = {
		.disks = {.options = {.command = &tool_chain_restored},
			  .is_editing = true}};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1)
		status = take_option(&restored, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON && restored.at != NULL && restored.all_dirty)
		status = tool_message_usage(&tool_chain_restored,
					    "--at and --all-dirty exclude each other");
	if (status == TOOL_OPTIONS_GO_ON)
		status = edit_all(&restored, argc - optind, argv + optind);
	tool_disks_close(&restored.disks);
	return status;
}

const struct tool_command tool_chain_restored = {
	.name = "chain restored",
	.synopsis = "[OPTION]... [--at NAME | --all-dirty] IMAGE...",
	.summary = "After a restore: keep of the checkpoints what is true",
	.help = "The contents of the disks came from somewhere else, and what their bitmaps say is\n"
		"not true any more. Without --at and --all-dirty all checkpoints are deleted: the\n"
		"next backup is a full one.\n"
		"\n" TOOL_HELP_CHAIN_EDIT "\n"
		"Options:\n"
		"      --at NAME          the disks are what they were at checkpoint NAME: newer ones\n"
		"                         are deleted, nothing has changed since NAME, older ones stay,\n"
		"                         with all their bits in the top layer\n"
		"      --all-dirty        all checkpoints stay, and everything has changed since\n"
		"      --scheme SCHEME    nested or delta, where the images tell it wrongly\n"
		"      --order A,B,C      the checkpoints from the oldest on, where nothing tells\n" TOOL_HELP_EDIT
		"\n"
		"Examples:\n"
		"  qcow2bm chain restored --at chk-2026-11-08 disk.qcow2\n"
		"  qcow2bm chain restored --all-dirty vda.qcow2 vdb.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
