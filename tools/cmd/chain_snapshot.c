/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain snapshot: a new overlay goes on recording what the image below it does. */
#define _XOPEN_SOURCE 700
#include "../term/memory.h"
#include "../term/message.h"
#include "chain.h"
#include "chain_finish.h"
#include "layers.h"
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALLOCATED = TOOL_OPT_OWN };

/* A new one, as qemu-img would make it: its backing file has its whole path, as libvirt has it. */
static int make_overlay(const struct tool_options *options, const char *image,
			const char *overlay)
{
	struct qcow2bm_chain *chain = NULL;
	struct qcow2bm_error err = {0};
	char *path = realpath(image, NULL);
	int status = TOOL_EXIT_FAILED;
	if (path == NULL)
		tool_message(image, "%s", strerror(errno));
	else
		status = tool_layers_open(&chain, options, image, TOOL_LAYERS_TOP_ONLY);
	if (status == TOOL_EXIT_DONE &&
	    qcow2bm_chain_make_overlay(chain, overlay, path, &err) != QCOW2BM_OK)
		status = tool_message_fail(overlay, &err);
	qcow2bm_chain_close(chain);
	free(path);
	return status;
}

/* Whether the layer below the overlay is the image that was named. */
static int check_below(const struct qcow2bm_chain *chain, const char *image,
		       const char *overlay)
{
	const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, 1);
	if (tool_session_is_same_file(image, layer->filename))
		return TOOL_EXIT_DONE;
	if (qcow2bm_chain_layer_count(chain) < 2)
		tool_message(overlay, "it has no backing file");
	else
		tool_message(overlay, "its backing file is '%s', not '%s'",
			     layer->filename, image);
	return TOOL_EXIT_FAILED;
}

static int stage(const struct tool_disk *disk, const char *image, unsigned flags)
{
	struct qcow2bm_error err = {0};
	int status = check_below(disk->chain, image, disk->filename);
	if (status != TOOL_EXIT_DONE ||
	    qcow2bm_chain_snapshot(disk->chain, flags, &err) == QCOW2BM_OK)
		return status;
	if (err.code != QCOW2BM_EEXIST)
		return tool_message_fail(disk->filename, &err);
	char *sentence = tool_message_sentence(&err);
	tool_message(disk->filename,
		     "%s; with --allocated all that it holds counts as changed",
		     sentence);
	free(sentence);
	return TOOL_EXIT_FAILED;
}

static int open_and_stage(struct tool_disks *disks, const char *image,
			  const char *overlay, unsigned flags)
{
	disks->list = tool_memory_zeroed(1, sizeof(*disks->list));
	disks->count = 1;
	disks->list[0].filename = overlay;
	int status = tool_layers_open(&disks->list[0].chain, &disks->options, overlay,
				      disks->options.dry_run ? 0u : TOOL_LAYERS_EDIT);
	if (status == TOOL_EXIT_DONE)
		status = stage(&disks->list[0], image, flags);
	return status == TOOL_EXIT_DONE ? tool_chain_finish(disks) : status;
}

/* A dry run shows what an overlay would get that is made for it, and goes again. */
static int snapshot(struct tool_disks *disks, const char *image, const char *overlay,
		    unsigned flags)
{
	struct stat st;
	bool is_made = lstat(overlay, &st) != 0 && errno == ENOENT;
	int status =
		is_made ? make_overlay(&disks->options, image, overlay) : TOOL_EXIT_DONE;
	if (status != TOOL_EXIT_DONE)
		return status;
	status = open_and_stage(disks, image, overlay, flags);
	bool stays = status == TOOL_EXIT_DONE || status == TOOL_EXIT_LEAKED ||
		     status == TOOL_EXIT_UNKNOWN;
	if (is_made && (!stays || disks->options.dry_run))
		(void)unlink(overlay);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"allocated", no_argument, NULL, ALLOCATED},
		TOOL_OPTIONS_EDIT,
	};
	struct tool_disks disks = {.options = {.command = &tool_chain_snapshot},
				   .is_editing = true};
	unsigned flags = 0;
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1)
		if (opt == ALLOCATED)
			flags |= QCOW2BM_SNAPSHOT_ALLOCATED;
		else
			status = tool_options_take(&disks.options, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON && argc - optind != 2)
		status = tool_message_usage(&tool_chain_snapshot,
					    "operands IMAGE and OVERLAY are wanted");
	if (status == TOOL_OPTIONS_GO_ON)
		status = snapshot(&disks, argv[optind], argv[optind + 1], flags);
	tool_disks_close(&disks);
	return status;
}

const struct tool_command tool_chain_snapshot = {
	.name = "chain snapshot",
	.synopsis = "[OPTION]... IMAGE OVERLAY",
	.summary = "Let a new overlay go on recording what its image did",
	.help = "Each bitmap that records in IMAGE gets an empty one of its name and granularity in\n"
		"OVERLAY, which records from then on, as libvirt does it when it makes a snapshot:\n"
		"all checkpoints in the nested scheme, the newest in the delta scheme. OVERLAY is made\n"
		"where it is not there, for its owner alone; or it was made with `qemu-img create -b\n"
		"IMAGE`, and nothing was written to it.\n"
		"\n"
		"Options:\n"
		"      --allocated        all that OVERLAY holds counts as changed: for one that the\n"
		"                         guest has written to, or that a crash left without bitmaps\n" TOOL_HELP_EDIT
		"\n"
		"Examples:\n"
		"  qcow2bm chain snapshot disk.qcow2 overlay.qcow2\n"
		"  qcow2bm chain snapshot --allocated disk.qcow2 overlay.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
