/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wrong with the files of checkpoints, and with what they say of each other. */
#include "flaws.h"

#include <string.h>

#define NOWHERE TOOL_FLAW_NOWHERE
#define NONE TOOL_FOLDER_NONE
#define AT(which, idx) TOOL_FLAW_AT(which, idx, NOWHERE, NOWHERE, NOWHERE)

/* Files that libvirt passes over, or takes for what they are not. */
static void look_at_file(struct tool_flaws *flaws, const struct tool_folder *folder,
			 size_t idx)
{
	const struct tool_checkpoint *it = &folder->list[idx];
	if (it->is_left_over)
		tool_flaws_add(
			flaws, AT(LEFT_OVER, idx),
			"file '%.255s' was left by a write that was cut off, and libvirt reads it",
			it->file);
	else if (it->is_not_read && it->content.bytes == NULL)
		tool_flaws_add(flaws, AT(NO_FILE, idx),
			       "'%.255s' cannot be read: %.200s; move it elsewhere",
			       it->file, it->problem);
	else if (it->is_not_read)
		tool_flaws_add(flaws, AT(UNREADABLE, idx), "file '%.255s': %.200s",
			       it->file, it->problem);
	else if (it->problem != NULL)
		tool_flaws_add(flaws, AT(NOT_LOADED, idx),
			       "libvirt passes over file '%.255s': %.200s", it->file,
			       it->problem);
	else if (!folder->relations[idx].is_loaded)
		tool_flaws_add(
			flaws, AT(NAME_TWICE, idx),
			"file '%.255s' has the name of '%.255s', and libvirt takes one of them",
			it->file, folder->list[tool_folder_find(folder, it->name)].file);
	else if (!tool_checkpoint_is_own_file(it))
		tool_flaws_add(
			flaws, AT(FILE_NAME, idx),
			"the name '%.200s' is in file '%.255s', which libvirt will not remove",
			it->name, it->file);
	if (!it->is_not_read && (it->content.mode & 077) != 0)
		tool_flaws_add(
			flaws, AT(FILE_MODE, idx),
			"file '%.255s' has mode %04o: others may read the secrets in it",
			it->file, (unsigned)it->content.mode);
}

static void look_at_parent(struct tool_flaws *flaws, const struct tool_folder *folder,
			   size_t idx)
{
	const struct tool_checkpoint *it = &folder->list[idx];
	const struct tool_relations *relations = &folder->relations[idx];
	if (it->parent != NULL && relations->parent == NONE)
		tool_flaws_add(flaws, AT(PARENT_MISSING, idx),
			       "its parent '%.200s' is not there: libvirt shows neither",
			       it->parent);
	if (relations->is_in_cycle)
		tool_flaws_add(flaws, AT(CYCLE, idx), "it is its own ancestor");
	if (relations->children > 1)
		tool_flaws_add(
			flaws, AT(FORK, idx),
			"%zu checkpoints are its children: libvirt takes none for the newest",
			relations->children);
	if (relations->parent != NONE &&
	    folder->list[relations->parent].created > it->created)
		tool_flaws_add(flaws, AT(TIME, idx),
			       "it was made before its parent '%.200s', by the clock",
			       it->parent);
}

/* A parent that is missing, and a circle, are told already. */
static void count_roots(struct tool_flaws *flaws, const struct tool_folder *folder)
{
	size_t roots = 0, first = NONE;
	for (size_t i = 0; i < folder->count; i++) {
		if (!folder->relations[i].is_loaded || folder->list[i].parent != NULL)
			continue;
		first = first == NONE ? i : first;
		roots++;
	}
	if (roots > 1)
		tool_flaws_add(
			flaws, AT(ROOTS, NOWHERE),
			"%zu checkpoints have no parent, '%.200s' is the first: libvirt takes "
			"none for the newest",
			roots, folder->list[first].name);
}

static void look_at_disks(struct tool_flaws *flaws, const struct tool_world *world,
			  size_t idx)
{
	const struct tool_checkpoint *it = &world->folder.list[idx];
	for (size_t i = 0; i < it->disk_count; i++) {
		const struct tool_checkpoint_disk *disk = &it->disks[i];
		bool is_known = false;
		for (size_t k = 0; k < world->disk_count; k++)
			is_known |= strcmp(world->disks[k].target, disk->target) == 0;
		if (!is_known && disk->has_bitmap)
			tool_flaws_add(
				flaws, AT(DISK_UNKNOWN, idx),
				"it has a bitmap on disk '%.64s', which the domain has not",
				disk->target);
		if (disk->has_bitmap && disk->bitmap != NULL &&
		    strcmp(disk->bitmap, it->name) != 0)
			tool_flaws_add(
				flaws, AT(BITMAP_NAME, idx),
				"its bitmap on '%.64s' is named '%.200s': libvirt's backups "
				"look for one of the checkpoint's name",
				disk->target, disk->bitmap);
	}
}

void tool_flaws_of_files(struct tool_flaws *flaws, const struct tool_world *world)
{
	for (size_t i = 0; i < world->folder.count; i++) {
		look_at_file(flaws, &world->folder, i);
		if (!world->folder.relations[i].is_loaded)
			continue;
		look_at_parent(flaws, &world->folder, i);
		look_at_disks(flaws, world, i);
	}
	count_roots(flaws, &world->folder);
}
