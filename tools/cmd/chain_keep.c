/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain keep: all checkpoints go but those that a pattern or a list names. */
#include "../term/match.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/text.h"
#include "chain.h"
#include "chain_finish.h"
#include "name_list.h"

#include <stdlib.h>

struct keep {
	struct tool_disks disks;
	struct tool_match match;
	const char *list_name; /* --orphans, or NULL */
	struct tool_name_list list;
};

enum { ORPHANS = TOOL_DISKS_OWN };

/* Whether the list has the checkpoint's name, its own or with its parent's. */
static bool is_listed(struct keep *keep, const struct qcow2bm_checkpoint *it,
		      const char *name)
{
	if (tool_name_list_use(&keep->list, name))
		return true;
	if (it->parent == NULL)
		return false;
	struct tool_text both = {0};
	tool_text_print(&both, "%s^%.*s", name, (int)it->parent_bytes, it->parent);
	bool found = tool_name_list_use(&keep->list, both.bytes);
	tool_text_free(&both);
	return found;
}

/* Whether a pattern or the list names the checkpoint; which ones named any is noted. */
static bool is_kept(struct keep *keep, const struct qcow2bm_checkpoint *it)
{
	char *name = tool_memory_copy(it->name, it->name_bytes);
	bool is_known = keep->list.count != 0 && is_listed(keep, it, name);
	free(name);
	return tool_match_use(&keep->match, it->name, it->name_bytes) || is_known;
}

static int stage_disk(struct keep *keep, const struct tool_disk *disk)
{
	struct qcow2bm_error err = {0};
	size_t count = qcow2bm_chain_count(disk->chain), going = 0;
	size_t *idxs = tool_memory_zeroed(count + 1, sizeof(*idxs));
	for (size_t i = 0; i < count; i++)
		if (!is_kept(keep, qcow2bm_chain_checkpoint(disk->chain, i)))
			idxs[going++] = i;
	enum qcow2bm_code code =
		qcow2bm_chain_delete_several(disk->chain, idxs, going, &err);
	free(idxs);
	return code == QCOW2BM_OK ? TOOL_EXIT_DONE
				  : tool_message_fail(disk->filename, &err);
}

/* Which patterns and names of the list there is something for. */
static void note_used(struct keep *keep, const struct qcow2bm_chain *chain)
{
	for (size_t i = 0; i < qcow2bm_chain_count(chain); i++)
		(void)is_kept(keep, qcow2bm_chain_checkpoint(chain, i));
}

/* A name that is mistyped must not empty the chain. */
static int check_patterns(const struct keep *keep)
{
	const char *unused = tool_match_unused(&keep->match);
	if (unused == NULL)
		return TOOL_EXIT_DONE;
	tool_message(keep->disks.list[0].filename, "no checkpoint is named '%s'", unused);
	return TOOL_EXIT_FAILED;
}

/* Neither must the list of another machine, or one that a failed command left empty. */
static int check_list(const struct keep *keep)
{
	size_t used = 0;
	for (size_t i = 0; i < keep->list.count; i++)
		used += keep->list.was_used[i];
	if (keep->list_name == NULL)
		return TOOL_EXIT_DONE;
	if (used == 0) {
		tool_message(
			keep->disks.list[0].filename,
			"none of the %zu names of the list is a checkpoint of a disk: "
			"all would go, so nothing is done; `qcow2bm chain delete` "
			"takes what shall go by its name",
			keep->list.count);
		return TOOL_EXIT_FAILED;
	}
	if (used != keep->list.count && !keep->disks.options.quiet)
		tool_message(keep->disks.list[0].filename,
			     "warning: of %zu names of the list, %zu are on no disk",
			     keep->list.count, keep->list.count - used);
	return TOOL_EXIT_DONE;
}

static int keep_all(struct keep *keep, int count, char **filenames)
{
	struct tool_disks *disks = &keep->disks;
	int status = TOOL_EXIT_DONE;
	if (keep->list_name != NULL)
		status = tool_name_list_read(&keep->list, keep->list_name);
	if (status == TOOL_EXIT_DONE)
		status = tool_disks_open_all(disks, count, filenames);
	for (size_t i = 0; i < disks->name_count; i++)
		tool_match_add(&keep->match, disks->names[i]);
	for (size_t i = 0; i < disks->count && status == TOOL_EXIT_DONE; i++)
		note_used(keep, disks->list[i].chain);
	if (status == TOOL_EXIT_DONE)
		status = check_patterns(keep);
	if (status == TOOL_EXIT_DONE)
		status = check_list(keep);
	for (size_t i = 0; i < disks->count && status == TOOL_EXIT_DONE; i++)
		status = stage_disk(keep, &disks->list[i]);
	return status == TOOL_EXIT_DONE ? tool_chain_finish(disks) : status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"orphans", required_argument, NULL, ORPHANS},
		TOOL_DISKS_OPTIONS,
		TOOL_OPTIONS_EDIT,
	};
	struct keep keep = {
		.disks = {.options = {.command = &tool_chain_keep}, .is_editing = true}};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_EDIT_LETTERS TOOL_DISKS_LETTERS,
				  long_options, NULL)) != -1)
		if (opt == ORPHANS)
			keep.list_name = optarg;
		else
			status = tool_disks_take(&keep.disks, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON && keep.disks.name_count == 0 &&
	    keep.list_name == NULL)
		status = tool_message_usage(
			&tool_chain_keep,
			"what stays is wanted: -c NAME, or --orphans FILE");
	if (status == TOOL_OPTIONS_GO_ON)
		status = keep_all(&keep, argc - optind, argv + optind);
	tool_match_free(&keep.match);
	tool_name_list_free(&keep.list);
	tool_disks_close(&keep.disks);
	return status;
}

const struct tool_command tool_chain_keep = {
	.name = "chain keep",
	.synopsis = "[OPTION]... -c NAME... | --orphans FILE IMAGE...",
	.summary = "Keep these checkpoints, and delete all others",
	.help = "NAME may be a pattern, which a name fits as `chain show` shows it: * ? [abc] as in\n"
		"a shell; a backslash is a backslash. Each must fit a checkpoint, or nothing is\n"
		"done. The others are deleted as `chain delete` does it; the newest of a delta chain may\n"
		"stay alone whatever is known of the order.\n"
		"With --orphans the checkpoints stay that FILE names, one a line, as they are and no\n"
		"patterns: those that a backup program or libvirt knows. What FILE does not name,\n"
		"and no -c, is an orphan and goes. A name in FILE that no disk has is told; where no\n"
		"disk has any of them, nothing is done.\n"
		"\n" TOOL_HELP_CHAIN_EDIT "\n"
		"Options:\n" TOOL_HELP_DISKS
		"      --orphans FILE     keep what this file names; -: standard input\n" TOOL_HELP_EDIT
		"\n"
		"Examples:\n"
		"  qcow2bm chain keep -c 'chk-2026-11-*' disk.qcow2\n"
		"  virsh checkpoint-list --name DOM | qcow2bm chain keep --orphans - disk.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
