/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain since: what changed since a checkpoint, over all layers. */
#define _POSIX_C_SOURCE 200809L

#include "../report/extents.h"
#include "../term/message.h"
#include "../term/size.h"
#include "../term/watch.h"
#include "chain.h"
#include "disks.h"

struct since {
	struct tool_disks disks;
	bool totals;
	uint64_t start, length;
	size_t idx;
};

static enum qcow2bm_code read_extents(void *opaque, qcow2bm_extent_fn *fn,
				      void *fn_opaque, const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	const struct since *since = opaque;
	return qcow2bm_chain_since(since->disks.list[0].chain, since->idx, since->start,
				   since->length, fn, fn_opaque, watch, err);
}

static enum qcow2bm_code count_dirty(void *opaque, uint64_t *dirty_bytes,
				     uint64_t *all_bytes,
				     const struct qcow2bm_watch *watch,
				     struct qcow2bm_error *err)
{
	const struct since *since = opaque;
	const struct qcow2bm_chain *chain = since->disks.list[0].chain;
	uint64_t disk = qcow2bm_chain_layer(chain, 0)->virtual_bytes;
	uint64_t left = since->start < disk ? disk - since->start : 0;
	*all_bytes = since->length < left ? since->length : left;
	return qcow2bm_chain_measure_since(since->disks.list[0].chain, since->idx,
					   since->start, since->length, dirty_bytes,
					   watch, err);
}

/* Looks at all bitmaps of all layers, which may take long, so that explaining does not. */
static int judge_layers(const struct since *since, const struct tool_disk *disk)
{
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	size_t layers = qcow2bm_chain_layer_count(disk->chain);
	tool_watch_begin(&watch, &since->disks.options);
	for (size_t k = 0; code == QCOW2BM_OK && k < layers; k++) {
		struct qcow2bm_image *image = qcow2bm_chain_layer(disk->chain, k)->image;
		if (image != NULL)
			code = qcow2bm_bitmap_judge(image, QCOW2BM_NOT_FOUND,
						    &watch.watch, &err);
	}
	return tool_watch_status(disk->filename, code, tool_watch_leave(&watch), &err);
}

/* Ranges that are called clean and are not lose data in a backup: refused. */
static int judge(const struct since *since, const struct tool_disk *disk)
{
	const struct qcow2bm_since *explained;
	struct qcow2bm_error err = {0};
	int status = judge_layers(since, disk);
	if (status != TOOL_EXIT_DONE)
		return status;
	if (qcow2bm_chain_explain(disk->chain, since->idx, &explained, &err) !=
	    QCOW2BM_OK)
		return tool_message_fail(disk->filename, &err);
	const char *name = since->disks.names[0];
	if (explained->verdict != QCOW2BM_VERDICT_INCREMENTAL) {
		tool_message(
			disk->filename,
			"what changed since '%s' is not known: %s; `qcow2bm chain verify` "
			"tells what can be done",
			name, explained->reason);
		return TOOL_EXIT_FAILED;
	}
	if (explained->is_superset && !since->disks.options.quiet)
		tool_message(
			disk->filename,
			"warning: the order of the checkpoints is not known (%s): this is "
			"what changed since the oldest of them; --order tells it",
			disk->order->gap);
	return TOOL_EXIT_DONE;
}

static int print(struct since *since)
{
	const struct tool_disk *disk = &since->disks.list[0];
	int status = tool_disks_find(disk, since->disks.names[0], &since->idx);
	if (status == TOOL_EXIT_DONE)
		status = judge(since, disk);
	if (status != TOOL_EXIT_DONE)
		return status;
	struct tool_watch watch;
	tool_watch_continue(&watch, &since->disks.options, &since->disks.progress);
	tool_watch_part(&watch, 1, 2);
	const struct tool_extents_order order = {
		.read = read_extents,
		.count = count_dirty,
		.opaque = since,
		.json = since->disks.options.json,
		.totals = since->totals,
		.watch = &watch,
	};
	return tool_extents_print(&order, disk->filename);
}

static int open_and_print(struct since *since, char **filename)
{
	int status = tool_disks_open(&since->disks, 1, filename);
	return status == TOOL_EXIT_DONE ? print(since) : status;
}

static int take_size(const struct since *since, const char *option, uint64_t *bytes)
{
	if (tool_size_parse(optarg, bytes))
		return TOOL_OPTIONS_GO_ON;
	return tool_message_usage(since->disks.options.command,
				  "option %s: '%s' is not a size", option, optarg);
}

enum { START = TOOL_DISKS_OWN, LENGTH, TOTALS };

static int take_option(struct since *since, int opt, char **argv)
{
	if (opt == START)
		return take_size(since, "--start", &since->start);
	if (opt == LENGTH)
		return take_size(since, "--length", &since->length);
	if (opt != TOTALS)
		return tool_disks_take(&since->disks, opt, argv);
	since->totals = true;
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"start", required_argument, NULL, START},
		{"length", required_argument, NULL, LENGTH},
		{"totals", no_argument, NULL, TOTALS},
		TOOL_DISKS_OPTIONS,
		{"progress", no_argument, NULL, TOOL_OPT_PROGRESS},
		TOOL_OPTIONS_READ,
	};
	struct since since = {.disks = {.options = {.command = &tool_chain_since}},
			      .length = UINT64_MAX};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_READ_LETTERS TOOL_DISKS_LETTERS,
				  long_options, NULL)) != -1)
		status = take_option(&since, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON && since.disks.name_count != 1)
		status = tool_message_usage(&tool_chain_since,
					    "one checkpoint is wanted: -c NAME");
	if (status == TOOL_OPTIONS_GO_ON && argc - optind != 1)
		status = tool_message_usage(&tool_chain_since,
					    "one operand IMAGE is wanted");
	if (status == TOOL_OPTIONS_GO_ON)
		status = open_and_print(&since, argv + optind);
	tool_disks_close(&since.disks);
	return status;
}

const struct tool_command tool_chain_since = {
	.name = "chain since",
	.synopsis = "[OPTION]... -c NAME IMAGE",
	.summary = "Print what changed since a checkpoint, over all layers",
	.help = "What a backup must copy that has a copy of checkpoint NAME: in the nested scheme\n"
		"the bitmaps of NAME in all layers, in the delta scheme those of all newer ones,\n"
		"too. Layers may differ in size and granularity; what lies behind the end of a\n"
		"smaller layer below counts as changed. Refused where changes may be missing.\n"
		"For a human: the dirty extents, in bytes. As JSON: all extents, as nbdinfo has them.\n"
		"\n"
		"Options:\n" TOOL_HELP_DISKS
		"      --start SIZE       begin at this byte of the disk (512, 64k, 1.5G)\n"
		"      --length SIZE      look at so many bytes only\n"
		"      --totals           print how much is clean and dirty, as nbdinfo --totals\n"
		"      --progress         show progress (by itself on a terminal after a second)\n"
		"      --output FORMAT    human (default) or json\n" TOOL_HELP_READ "\n"
		"Examples:\n"
		"  qcow2bm chain since -c chk-2026-11-08 disk.qcow2\n"
		"  qcow2bm chain since -c chk-2026-11-08 --totals --output=json disk.qcow2\n"
		"\n" TOOL_HELP_READ_EXITS,
	.run = run,
};
