/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain prune: a layer loses the bitmaps that nothing above goes on with. */
#include "../term/message.h"
#include "chain.h"
#include "chain_finish.h"
#include "session.h"

/* Which layer below the top the file is, or 0. */
static size_t find_layer(const struct qcow2bm_chain *chain, const char *filename)
{
	for (size_t i = 1; i < qcow2bm_chain_layer_count(chain); i++) {
		const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, i);
		if (tool_session_is_same_file(filename, layer->filename))
			return i;
	}
	return 0;
}

static int stage(const struct tool_disk *disk, const char *base)
{
	struct qcow2bm_error err = {0};
	size_t layer = find_layer(disk->chain, base);
	if (layer == 0) {
		tool_message(disk->filename, "'%s' is no layer below it", base);
		return TOOL_EXIT_FAILED;
	}
	if (qcow2bm_chain_prune(disk->chain, layer, &err) == QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	int status = tool_message_fail(disk->filename, &err);
	if (disk->order->scheme == QCOW2BM_SCHEME_DELTA && !disk->order->scheme_is_given)
		tool_message(disk->filename, "--scheme nested, if only one checkpoint of "
					     "a nested chain is left in it");
	return status;
}

static int prune(struct tool_disks *disks, char *base, char *top)
{
	int status = tool_disks_open(disks, 1, &top);
	if (status == TOOL_EXIT_DONE)
		status = stage(&disks->list[0], base);
	return status == TOOL_EXIT_DONE ? tool_chain_finish(disks) : status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"scheme", required_argument, NULL, TOOL_DISKS_SCHEME},
		TOOL_OPTIONS_EDIT,
	};
	struct tool_disks disks = {.options = {.command = &tool_chain_prune},
				   .is_editing = true};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1)
		status = tool_disks_take(&disks, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON && argc - optind != 2)
		status = tool_message_usage(&tool_chain_prune,
					    "operands BASE and TOP are wanted");
	if (status == TOOL_OPTIONS_GO_ON)
		status = prune(&disks, argv[optind], argv[optind + 1]);
	tool_disks_close(&disks);
	return status;
}

const struct tool_command tool_chain_prune = {
	.name = "chain prune",
	.synopsis = "[OPTION]... BASE TOP",
	.summary = "Drop from a layer what the top does not go on with",
	.help = "BASE is a layer below TOP. The bitmaps of checkpoints that TOP has none of go from\n"
		"it: what was written since BASE was the top is missing from them. Only for the\n"
		"nested scheme; in the delta scheme such bitmaps are used. Refused when none\n"
		"records in TOP: `qcow2bm chain snapshot --allocated` can make again what a crash\n"
		"took.\n"
		"\n"
		"Options:\n"
		"      --scheme SCHEME    nested or delta, where the images tell it wrongly\n" TOOL_HELP_EDIT
		"\n"
		"Examples:\n"
		"  qcow2bm chain prune disk.qcow2 overlay.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
