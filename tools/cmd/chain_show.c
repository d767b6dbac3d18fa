/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain show: the checkpoints of disks, and what a backup can do with each. */
#define _POSIX_C_SOURCE 200809L

#include "../report/chain.h"
#include "../report/drawing.h"
#include "../report/image_list.h"
#include "../report/json.h"
#include "../term/message.h"
#include "../term/output.h"
#include "../term/watch.h"
#include "chain.h"
#include "disks.h"

struct show {
	struct tool_disks disks;
	json_t *verdicts, *list; /* JSON */
	struct tool_text text;   /* else */
};

static void add_report(struct show *show, const struct tool_chain_report *report)
{
	if (show->disks.options.json) {
		tool_chain_json_verdicts(show->verdicts, report);
		json_array_append_new(show->list, tool_chain_json_disk(report));
	} else {
		tool_chain_human(&show->text, report);
	}
}

static int add_disk(struct show *show, size_t disk_idx)
{
	struct tool_disks *disks = &show->disks;
	struct tool_disk *disk = &disks->list[disk_idx];
	struct tool_watch watch;
	struct tool_chain_report report;
	tool_watch_continue(&watch, &disks->options, &disks->progress);
	enum qcow2bm_code code = tool_chain_report_take(
		&report, disk->filename, disk->chain, disk->order, &watch,
		disks->count + disk_idx, 2 * disks->count, &disk->err);
	int signal_number = tool_watch_leave(&watch);
	disks->progress = watch.progress;
	int status = tool_watch_status(disk->filename, code, signal_number, &disk->err);
	if (status == TOOL_EXIT_DONE)
		add_report(show, &report);
	tool_chain_report_free(&report);
	return tool_disks_fail(disks, disk, status);
}

static int show_all(struct show *show)
{
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; status == TOOL_EXIT_DONE && i < show->disks.count; i++) {
		const struct tool_disk *disk = &show->disks.list[i];
		if (disk->chain != NULL)
			status = add_disk(show, i);
		if (disk->chain == NULL)
			json_array_append_new(
				show->list,
				tool_image_list_failure(disk->filename, &disk->err));
	}
	return status;
}

static int print(struct show *show)
{
	if (!show->disks.options.json) {
		if (show->text.used != 0)
			tool_drawing_legend(&show->text);
		return tool_output_text(&show->text);
	}
	json_t *object = tool_json_document("chain-show");
	json_object_set(object, "verdicts", show->verdicts);
	json_object_set(object, "disks", show->list);
	return tool_output_json(object);
}

static int show_disks(struct show *show, int count, char **filenames)
{
	int status = tool_disks_open_all(&show->disks, count, filenames);
	show->verdicts = json_array();
	show->list = json_array();
	if (status == TOOL_EXIT_DONE)
		status = show_all(show);
	if (status == TOOL_EXIT_DONE)
		status = print(show);
	if (status == TOOL_EXIT_DONE)
		status = show->disks.status;
	tool_text_free(&show->text);
	json_decref(show->verdicts);
	json_decref(show->list);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		TOOL_DISKS_OPTIONS,
		{"progress", no_argument, NULL, TOOL_OPT_PROGRESS},
		TOOL_OPTIONS_READ,
	};
	struct show show = {
		.disks = {.options = {.command = &tool_chain_show}, .is_report = true}};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_READ_LETTERS TOOL_DISKS_LETTERS,
				  long_options, NULL)) != -1)
		status = tool_disks_take(&show.disks, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = show_disks(&show, argc - optind, argv + optind);
	tool_disks_close(&show.disks);
	return status;
}

const struct tool_command tool_chain_show = {
	.name = "chain show",
	.synopsis = "[OPTION]... IMAGE...",
	.summary = "Show the checkpoints of disks, and what a backup can do with each",
	.help = "For each disk its layers, the scheme that its checkpoints are kept in, their order\n"
		"and what tells it; for each checkpoint the bytes that changed since, over all\n"
		"layers, and what a backup that has a copy of it can do:\n"
		"  incremental      copy what changed since\n"
		"  repair           not yet: `qcow2bm chain verify` tells what makes it whole\n"
		"  full             changes are lost: copy everything\n"
		"The JSON begins with a list of these verdicts. An image that fails does not hide the\n"
		"others.\n"
		"\n"
		"Options:\n" TOOL_HELP_DISKS
		"      --progress         show progress (by itself on a terminal after a second)\n"
		"      --output FORMAT    human (default) or json\n" TOOL_HELP_READ "\n"
		"Examples:\n"
		"  qcow2bm chain show disk.qcow2\n"
		"  qcow2bm chain show --output=json *.qcow2 | jq -c '.verdicts[]'\n"
		"\n"
		"Exit status: 0 done, 1 failed, 6 busy, 64 usage, 128+n interrupted by signal n; of\n"
		"several images the first of 1, 6.\n",
	.run = run,
};
