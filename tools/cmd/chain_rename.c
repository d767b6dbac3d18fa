/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain rename and convert: names and scheme change in all layers, the bits stay. */
#include "../term/message.h"
#include "chain.h"
#include "chain_finish.h"

#include <string.h>

enum { TO = TOOL_DISKS_OWN };

struct rename {
	struct tool_disks disks;
	const char *to; /* --to */
};

typedef int stage_fn(const struct rename *rename, const struct tool_disk *disk);

static int stage_rename(const struct rename *rename, const struct tool_disk *disk)
{
	size_t idx;
	struct qcow2bm_error err = {0};
	int status = tool_disks_find(disk, rename->disks.names[0], &idx);
	if (status == TOOL_EXIT_DONE &&
	    qcow2bm_chain_rename(disk->chain, idx, rename->to, strlen(rename->to),
				 &err) != QCOW2BM_OK)
		status = tool_message_fail(disk->filename, &err);
	return status;
}

/* libvirt takes letters, digits, `_`, `-`, and `.` but at the start. */
static bool is_libvirt_name(const struct qcow2bm_checkpoint *it)
{
	for (size_t i = 0; i < it->name_bytes; i++) {
		char c = it->name[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '_' || c == '-' ||
		      (c == '.' && i != 0)))
			return false;
	}
	return true;
}

static void warn_of_names(const struct rename *rename, const struct tool_disk *disk)
{
	for (size_t i = 0; i < qcow2bm_chain_count(disk->chain); i++) {
		const struct qcow2bm_checkpoint *it =
			qcow2bm_chain_checkpoint(disk->chain, i);
		if (!rename->disks.options.quiet && !is_libvirt_name(it))
			tool_message(disk->filename,
				     "warning: libvirt takes no checkpoint named '%.*s'",
				     (int)it->name_bytes, it->name);
	}
}

static int stage_convert(const struct rename *rename, const struct tool_disk *disk)
{
	struct qcow2bm_error err = {0};
	bool is_nested = strcmp(rename->to, "nested") == 0;
	if (qcow2bm_chain_convert(
		    disk->chain, is_nested ? QCOW2BM_SCHEME_NESTED : QCOW2BM_SCHEME_DELTA,
		    &err) != QCOW2BM_OK)
		return tool_message_fail(disk->filename, &err);
	if (is_nested)
		warn_of_names(rename, disk);
	return TOOL_EXIT_DONE;
}

static int take_options(struct rename *rename, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"to", required_argument, NULL, TO},
		TOOL_DISKS_OPTIONS,
		TOOL_OPTIONS_EDIT,
	};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_EDIT_LETTERS TOOL_DISKS_LETTERS,
				  long_options, NULL)) != -1)
		if (opt == TO)
			rename->to = optarg;
		else
			status = tool_disks_take(&rename->disks, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON && rename->to == NULL)
		status = tool_message_usage(rename->disks.options.command,
					    "option --to is missing");
	return status;
}

static int edit_all(struct rename *rename, stage_fn *stage, int count, char **filenames)
{
	int status = tool_disks_open_all(&rename->disks, count, filenames);
	for (size_t i = 0; i < rename->disks.count && status == TOOL_EXIT_DONE; i++)
		status = stage(rename, &rename->disks.list[i]);
	return status == TOOL_EXIT_DONE ? tool_chain_finish(&rename->disks) : status;
}

static int run(struct rename *rename, int status, stage_fn *stage, int argc, char **argv)
{
	if (status == TOOL_OPTIONS_GO_ON)
		status = edit_all(rename, stage, argc - optind, argv + optind);
	tool_disks_close(&rename->disks);
	return status;
}

static int run_rename(int argc, char **argv)
{
	struct rename rename = {.disks = {.options = {.command = &tool_chain_rename},
					  .is_editing = true}};
	int status = take_options(&rename, argc, argv);
	if (status == TOOL_OPTIONS_GO_ON && rename.disks.name_count != 1)
		status = tool_message_usage(&tool_chain_rename,
					    "one checkpoint is wanted: -c NAME");
	return run(&rename, status, stage_rename, argc, argv);
}

static int run_convert(int argc, char **argv)
{
	struct rename rename = {.disks = {.options = {.command = &tool_chain_convert},
					  .is_editing = true}};
	int status = take_options(&rename, argc, argv);
	if (status == TOOL_OPTIONS_GO_ON && strcmp(rename.to, "nested") != 0 &&
	    strcmp(rename.to, "delta") != 0)
		status = tool_message_usage(&tool_chain_convert,
					    "option --to: '%s' is not nested or delta",
					    rename.to);
	return run(&rename, status, stage_convert, argc, argv);
}

const struct tool_command tool_chain_rename = {
	.name = "chain rename",
	.synopsis = "[OPTION]... -c NAME --to NEW IMAGE...",
	.summary = "Rename a checkpoint in every layer, on every disk",
	.help = "The name of its child has it, too, in the delta scheme: 'B^NAME' becomes 'B^NEW'.\n"
		"\n" TOOL_HELP_CHAIN_EDIT "\n"
		"Options:\n"
		"      --to NEW           the new name\n" TOOL_HELP_DISKS TOOL_HELP_EDIT
		"\n"
		"Examples:\n"
		"  qcow2bm chain rename -c chk-1 --to before-upgrade disk.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run_rename,
};

const struct tool_command tool_chain_convert = {
	.name = "chain convert",
	.synopsis = "[OPTION]... --to nested|delta IMAGE...",
	.summary = "Keep the checkpoints in the other scheme",
	.help = "What changed since each checkpoint stays. To nested: each bitmap gets the bits of\n"
		"all newer ones, records, and bears its own name alone. To delta: only the newest\n"
		"records, and names tell the parents: 'B^A'.\n"
		"\n" TOOL_HELP_CHAIN_EDIT "\n"
		"Options:\n"
		"      --to SCHEME        nested or delta\n" TOOL_HELP_DISKS
			TOOL_HELP_EDIT "\n"
		"Examples:\n"
		"  qcow2bm chain convert --to nested disk.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run_convert,
};
