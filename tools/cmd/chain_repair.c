/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain repair: from what verify finds to one edit of all layers of all disks. */
#include "../report/json.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/name.h"
#include "chain.h"
#include "chain_finish.h"

#include <stdlib.h>

struct repair {
	struct tool_disks disks;
	unsigned flags;
	struct qcow2bm_findings *findings;
	const struct tool_disk *disk; /* the one that is staged */
	json_t *mended;               /* of it */
};

enum { ALL_DIRTY = TOOL_DISKS_OWN };

/* What is done about a checkpoint, and what that means for backups. */
static void print(const struct tool_disk *disk, const struct qcow2bm_mended *mended)
{
	static const char *const sentences[] = {
		[QCOW2BM_MENDING_DROPPED] =
			"checkpoint '%s' is deleted, and a backup since it must be a full one: %s",
		[QCOW2BM_MENDING_ALL_DIRTY] =
			"everything counts as changed since '%s': %s",
		[QCOW2BM_MENDING_MADE] = "'%s' is made in a layer that lacked it: %s",
		[QCOW2BM_MENDING_SILENCED] = "'%s' does not record any more: %s",
		[QCOW2BM_MENDING_RENAMED] = "'%s' gets the name of its place: %s",
		[QCOW2BM_MENDING_REMOVED] = "bitmap '%s' is deleted: %s",
	};
	const char *filename =
		mended->layer_idx == QCOW2BM_NOT_FOUND
			? disk->filename
			: qcow2bm_chain_layer(disk->chain, mended->layer_idx)->filename;
	char *name = tool_name_escape(mended->name == NULL ? "" : mended->name,
				      mended->name_bytes, TOOL_NAME_HUMAN);
	if (mended->mending == QCOW2BM_MENDING_LEFT)
		tool_message(filename, "left as it is: %s", mended->reason);
	else
		tool_message(filename, sentences[mended->mending], name, mended->reason);
	free(name);
}

static json_t *mended_json(const struct tool_disk *disk,
			   const struct qcow2bm_mended *mended)
{
	json_t *object = json_object();
	json_object_set_new(object, "mending",
			    json_string(qcow2bm_mending_name(mended->mending)));
	if (mended->name != NULL)
		json_object_set_new(object,
				    mended->mending == QCOW2BM_MENDING_REMOVED
					    ? "bitmap"
					    : "checkpoint",
				    tool_json_name(mended->name, mended->name_bytes));
	if (mended->layer_idx != QCOW2BM_NOT_FOUND) {
		json_object_set_new(object, "layer", tool_json_number(mended->layer_idx));
		json_object_set_new(
			object, "filename",
			tool_json_text(qcow2bm_chain_layer(disk->chain, mended->layer_idx)
					       ->filename));
	}
	json_object_set_new(object, "reason", tool_json_text(mended->reason));
	return object;
}

static void take_mended(void *opaque, const struct qcow2bm_mended *mended)
{
	struct repair *repair = opaque;
	if (repair->disks.options.json)
		json_array_append_new(repair->mended, mended_json(repair->disk, mended));
	else if (!repair->disks.options.quiet)
		print(repair->disk, mended);
}

static int stage_disk(struct repair *repair, size_t disk_idx)
{
	struct qcow2bm_error err = {0};
	const struct tool_disk *disk = &repair->disks.list[disk_idx];
	repair->disk = disk;
	repair->mended = json_array();
	if (qcow2bm_chain_repair(disk->chain, repair->findings, disk_idx, repair->flags,
				 take_mended, repair, &err) != QCOW2BM_OK) {
		json_decref(repair->mended);
		return tool_message_fail(disk->filename, &err);
	}
	json_t *object = json_object();
	json_object_set_new(object, "filename", tool_json_text(disk->filename));
	json_object_set_new(object, "mended", repair->mended);
	json_array_append_new(repair->disks.report, object);
	return TOOL_EXIT_DONE;
}

static int edit_all(struct repair *repair, int count, char **filenames)
{
	struct tool_disks *disks = &repair->disks;
	int status = tool_disks_open_all(disks, count, filenames);
	if (status == TOOL_EXIT_DONE)
		status = tool_disks_verify(disks, &repair->findings);
	for (size_t i = 0; i < disks->count && status == TOOL_EXIT_DONE; i++)
		status = stage_disk(repair, i);
	return status == TOOL_EXIT_DONE ? tool_chain_finish(disks) : status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"all-dirty", no_argument, NULL, ALL_DIRTY},
		{"scheme", required_argument, NULL, TOOL_DISKS_SCHEME},
		{"order", required_argument, NULL, TOOL_DISKS_ORDER},
		TOOL_OPTIONS_EDIT,
	};
	struct repair repair = {.disks = {.options = {.command = &tool_chain_repair},
					  .is_editing = true,
					  .report = json_array()}};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1)
		if (opt == ALL_DIRTY)
			repair.flags |= QCOW2BM_MEND_ALL_DIRTY;
		else
			status = tool_disks_take(&repair.disks, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = edit_all(&repair, argc - optind, argv + optind);
	json_decref(repair.disks.report);
	qcow2bm_findings_free(repair.findings);
	tool_disks_close(&repair.disks);
	return status;
}

const struct tool_command tool_chain_repair = {
	.name = "chain repair",
	.synopsis = "[OPTION]... IMAGE...",
	.summary = "Mend what verify finds, in one edit of all disks",
	.help = "Checkpoints that no backup can use any more are deleted, and it is said which: a\n"
		"backup since one of them must be a full one. A layer that lacks a bitmap gets it,\n"
		"with all that the layer holds, if the one below recorded: an overlay that a crash\n"
		"left without. Bitmaps that a crash left in-use become all dirty; `recover` first, if\n"
		"more is known of the crash. Where names tell no order all checkpoints but the one\n"
		"that records alone are deleted, unless --order tells it: names follow it then. A\n"
		"checkpoint that only some IMAGEs have stays. See what would be done with -n;\n"
		"`chain verify` says what is left.\n"
		"\n" TOOL_HELP_CHAIN_EDIT "\n"
		"Options:\n"
		"      --all-dirty        what would be deleted stays, all dirty, and so does a missing\n"
		"                         middle of a delta chain: with it older ones as supersets\n"
		"      --scheme SCHEME    nested or delta, where the images tell it wrongly\n"
		"      --order A,B,C      the checkpoints from the oldest on, where nothing tells\n" TOOL_HELP_EDIT
		"\n"
		"Examples:\n"
		"  qcow2bm chain repair -n vda.qcow2 vdb.qcow2\n"
		"  qcow2bm chain repair --all-dirty disk.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
