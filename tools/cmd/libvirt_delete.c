/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm libvirt delete: what virsh checkpoint-delete does, of a domain that is off. */
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/text.h"
#include "../term/word.h"
#include "libvirt.h"
#include "libvirt_changes.h"

#include <stdlib.h>
#include <string.h>

#define NONE TOOL_FOLDER_NONE

struct delete
{
	struct tool_libvirt libvirt;
	bool children, children_only;
	bool bitmaps_only, metadata_only;
	bool *goes; /* by checkpoint of the folder */
	struct tool_libvirt_changes changes;
};

/* ---- Which go ------------------------------------------------------------------------------ */

static int select_one(struct delete *delete, const char *name)
{
	const struct tool_folder *folder = &delete->libvirt.world.folder;
	size_t of = tool_folder_find(folder, name);
	if (of == NONE) {
		tool_message(folder->path, "checkpoint '%s' not found", name);
		return TOOL_EXIT_FAILED;
	}
	delete->goes[of] |= !delete->children_only;
	for (size_t i = 0; i < folder->count; i++)
		if ((delete->children || delete->children_only) && i != of &&
		    tool_folder_descends(folder, i, of))
			delete->goes[i] = true;
	return TOOL_EXIT_DONE;
}

static int select_all(struct delete *delete)
{
	const struct tool_disks *disks = &delete->libvirt.disks;
	int status = TOOL_EXIT_DONE;
	delete->goes =
		tool_memory_zeroed(delete->libvirt.world.folder.count + 1, sizeof(bool));
	for (size_t i = 0; i < disks->name_count && status == TOOL_EXIT_DONE; i++)
		status = select_one(delete, disks->names[i]);
	return status;
}

/* ---- Files --------------------------------------------------------------------------------- */

/* A file that is passed over for another of its name would be read in its place. */
static bool has_name_of_one_that_goes(const struct delete *delete, size_t idx)
{
	const struct tool_folder *folder = &delete->libvirt.world.folder;
	if (folder->list[idx].problem != NULL)
		return false;
	return delete->goes[tool_folder_find(folder, folder->list[idx].name)];
}

/* The nearest ancestor that stays, as libvirt gives children to the parent of the one that goes. */
static const char *find_parent(const struct delete *delete, size_t idx)
{
	const struct tool_folder *folder = &delete->libvirt.world.folder;
	size_t at = folder->relations[idx].parent;
	for (size_t steps = 0; at != NONE && delete->goes[at]; steps++)
		at = steps > folder->count ? NONE : folder->relations[at].parent;
	return at == NONE ? NULL : folder->list[at].name;
}

static void change_files(struct delete *delete)
{
	const struct tool_folder *folder = &delete->libvirt.world.folder;
	for (size_t i = 0; i < folder->count; i++) {
		size_t parent = folder->relations[i].parent;
		if (has_name_of_one_that_goes(delete, i))
			tool_libvirt_changes_remove(&delete->changes, i);
		else if (parent != NONE && delete->goes[parent])
			tool_libvirt_changes_reparent(&delete->changes, i,
						      find_parent(delete, i));
	}
}

/* ---- Bitmaps ------------------------------------------------------------------------------- */

/* A checkpoint that stays may have it, by another name than its own. */
static bool is_still_wanted(const struct delete *delete, const char *target,
			    const char *bitmap)
{
	const struct tool_folder *folder = &delete->libvirt.world.folder;
	for (size_t i = 0; i < folder->count; i++) {
		const char *other;
		if (folder->relations[i].is_loaded && !delete->goes[i] &&
		    tool_checkpoint_has(&folder->list[i], target, &other) &&
		    strcmp(other, bitmap) == 0)
			return true;
	}
	return false;
}

/* Marks what a checkpoint that goes has on a disk. */
static int choose_bitmap(const struct delete *delete, size_t idx, size_t disk_idx,
			 bool *goes)
{
	const struct tool_world *world = &delete->libvirt.world;
	const struct tool_libvirt_disk *disk = &world->disks[disk_idx];
	const char *bitmap;
	if (!tool_checkpoint_has(&world->folder.list[idx], disk->target, &bitmap))
		return TOOL_EXIT_DONE;
	if (disk->chain != NULL)
		return is_still_wanted(delete, disk->target, bitmap)
			       ? TOOL_EXIT_DONE
			       : tool_libvirt_changes_choose(&delete->changes, disk_idx,
							     bitmap, goes);
	if (!tool_world_is_far(disk))
		return TOOL_EXIT_DONE;
	tool_message(
		disk->target,
		"the disk is in no local file: its bitmap '%s' cannot be deleted here",
		bitmap);
	return TOOL_EXIT_FAILED;
}

/* Stages what all that go have on a disk, which is judged at once. */
static int drop_bitmaps(struct delete *delete, size_t disk_idx)
{
	const struct tool_world *world = &delete->libvirt.world;
	const struct qcow2bm_chain *chain = world->disks[disk_idx].chain;
	bool *goes = tool_memory_zeroed(
		(chain == NULL ? 0 : qcow2bm_chain_count(chain)) + 1, sizeof(bool));
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < world->folder.count && status == TOOL_EXIT_DONE; i++)
		if (delete->goes[i])
			status = choose_bitmap(delete, i, disk_idx, goes);
	if (status == TOOL_EXIT_DONE && chain != NULL)
		status = tool_libvirt_changes_drop(&delete->changes, disk_idx, goes);
	free(goes);
	return status;
}

/* ---- All of it ----------------------------------------------------------------------------- */

/* What is left to libvirt. */
static void tell_virsh(const struct delete *delete)
{
	const struct tool_folder *folder = &delete->libvirt.world.folder;
	for (size_t i = 0; i < folder->count; i++) {
		struct tool_text command = {0};
		if (!delete->goes[i] || delete->libvirt.disks.options.quiet)
			continue;
		tool_word_add(&command, delete->libvirt.domain_name);
		tool_word_add(&command, folder->list[i].name);
		tool_message(NULL,
			     "libvirt still has the checkpoint: virsh checkpoint-delete "
			     "--metadata%s",
			     command.bytes);
		tool_text_free(&command);
	}
}

static int run_delete(struct delete *delete)
{
	const struct tool_world *world = &delete->libvirt.world;
	int status = tool_libvirt_changes_begin(
		&delete->libvirt, delete->bitmaps_only || delete->metadata_only);
	if (status == TOOL_EXIT_DONE)
		status = select_all(delete);
	for (size_t i = 0; i < world->disk_count && status == TOOL_EXIT_DONE; i++)
		if (!delete->metadata_only)
			status = drop_bitmaps(delete, i);
	if (status != TOOL_EXIT_DONE)
		return status;
	if (!delete->bitmaps_only)
		change_files(delete);
	status = tool_libvirt_changes_finish(&delete->changes);
	if (delete->bitmaps_only && !delete->libvirt.disks.options.dry_run &&
	    (status == TOOL_EXIT_DONE || status == TOOL_EXIT_LEAKED))
		tell_virsh(delete);
	return status;
}

enum { CHILDREN = TOOL_LIBVIRT_OWN, CHILDREN_ONLY, BITMAPS_ONLY, METADATA_ONLY };

static int take(struct delete *delete, int opt, char **argv)
{
	switch (opt) {
	case CHILDREN:
		delete->children = true;
		break;
	case CHILDREN_ONLY:
		delete->children_only = true;
		break;
	case BITMAPS_ONLY:
		delete->bitmaps_only = true;
		break;
	case METADATA_ONLY:
		delete->metadata_only = true;
		break;
	default:
		return tool_libvirt_take(&delete->libvirt, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

static int check_options(const struct delete *delete)
{
	if (delete->libvirt.disks.name_count == 0)
		return tool_message_usage(&tool_libvirt_delete,
					  "a checkpoint is wanted: -c NAME");
	if (delete->bitmaps_only && delete->metadata_only)
		return tool_message_usage(
			&tool_libvirt_delete,
			"--bitmaps-only and --metadata-only exclude each other");
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"checkpoint", required_argument, NULL, 'c'},
		{"children", no_argument, NULL, CHILDREN},
		{"children-only", no_argument, NULL, CHILDREN_ONLY},
		{"bitmaps-only", no_argument, NULL, BITMAPS_ONLY},
		{"metadata-only", no_argument, NULL, METADATA_ONLY},
		TOOL_LIBVIRT_OPTIONS,
		TOOL_OPTIONS_EDIT,
	};
	struct delete delete = {
		.libvirt.disks = {.options = {.command = &tool_libvirt_delete},
				  .is_editing = true}};
	delete.changes.libvirt = &delete.libvirt;
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS "c:",
				  long_options, NULL)) != -1)
		status = take(&delete, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = check_options(&delete);
	if (status == TOOL_OPTIONS_GO_ON) {
		status = tool_libvirt_open(&delete.libvirt, argc - optind, true);
		if (status == TOOL_EXIT_DONE)
			status = run_delete(&delete);
	}
	tool_libvirt_changes_free(&delete.changes);
	tool_libvirt_close(&delete.libvirt);
	free(delete.goes);
	return status;
}

const struct tool_command tool_libvirt_delete = {
	.name = "libvirt delete",
	.synopsis = "[OPTION]... -c NAME... --domain NAME",
	.summary = "Delete checkpoints: their bitmaps on all disks, and their files",
	.help = "What `virsh checkpoint-delete` does to a running domain: the bitmaps go from all\n"
		"layers of all disks, the files go, and children get the parent of the one that\n"
		"goes. All of it happens, or nothing; killed in the middle, the same command, typed\n"
		"again, or `qcow2bm chain resume`, finishes. Refused while libvirt runs, which has\n"
		"the checkpoints in memory and would not notice; guests go on when it is stopped. A\n"
		"bitmap that is not there is no failure.\n"
		"\n"
		"Options:\n"
		"  -c, --checkpoint NAME  this checkpoint; repeated: these\n"
		"      --children         and all that descend from it\n"
		"      --children-only    only those\n"
		"      --bitmaps-only     leave the files; tells what virsh has to do then\n"
		"      --metadata-only    leave the bitmaps; libvirt may run, and does not notice\n" TOOL_HELP_LIBVIRT
			TOOL_HELP_EDIT "\n"
		"Examples:\n"
		"  qcow2bm libvirt delete -c chk-1 --domain vm\n"
		"  qcow2bm libvirt delete -n --children -c chk-1 --domain vm\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
