/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wrong with the bitmaps of disks: those that checkpoints have, and those that nobody has. */
#define _GNU_SOURCE /* strndup() */
#include "flaws.h"

#include "../term/name.h"

#include <stdlib.h>
#include <string.h>

#define NOWHERE TOOL_FLAW_NOWHERE

/* How many of the disks that the checkpoint names have any bitmap of it. */
static size_t count_disks(const struct tool_world *world,
			  const struct tool_checkpoint *checkpoint)
{
	size_t count = 0;
	for (size_t i = 0; i < world->disk_count; i++) {
		const struct tool_libvirt_disk *disk = &world->disks[i];
		const char *bitmap;
		count += disk->chain != NULL &&
			 tool_checkpoint_has(checkpoint, disk->target, &bitmap) &&
			 tool_bitmap_judge(disk, bitmap).rule != TOOL_BITMAP_NONE;
	}
	return count;
}

static void look_at_bitmap(struct tool_flaws *flaws, const struct tool_world *world,
			   size_t idx, size_t disk_idx, const char *bitmap)
{
	static const enum tool_flaw_id ids[] = {
		[TOOL_BITMAP_NONE] = TOOL_FLAW_NO_BITMAP,
		[TOOL_BITMAP_NOT_IN_TOP] = TOOL_FLAW_NOT_IN_TOP,
		[TOOL_BITMAP_GAP] = TOOL_FLAW_GAP,
		[TOOL_BITMAP_CORRUPT] = TOOL_FLAW_CORRUPT,
		[TOOL_BITMAP_IN_USE] = TOOL_FLAW_IN_USE,
		[TOOL_BITMAP_SILENT] = TOOL_FLAW_DISABLED,
	};
	const struct tool_libvirt_disk *disk = &world->disks[disk_idx];
	struct tool_bitmap_state state = tool_bitmap_judge(disk, bitmap);
	if (state.rule == TOOL_BITMAP_SOUND)
		return;
	struct tool_flaw flaw = {.id = ids[state.rule],
				 .checkpoint = idx,
				 .disk = disk_idx,
				 .layer = state.layer,
				 .bitmap = NOWHERE};
	const struct qcow2bm_layer *layer = qcow2bm_chain_layer(disk->chain, state.layer);
	if (layer->image != NULL)
		flaw.bitmap = qcow2bm_bitmap_find(layer->image, bitmap, strlen(bitmap));
	if (state.rule == TOOL_BITMAP_NONE) {
		flaw.layer = NOWHERE;
		if (count_disks(world, &world->folder.list[idx]) != 0)
			flaw.id = TOOL_FLAW_SOME_DISKS;
	}
	tool_flaws_add(flaws, flaw, "%s%s", tool_bitmap_reason(state.rule),
		       flaw.id == TOOL_FLAW_SOME_DISKS ? ", another one has" : "");
}

static void look_at_checkpoint(struct tool_flaws *flaws, const struct tool_world *world,
			       size_t idx)
{
	for (size_t i = 0; i < world->disk_count; i++) {
		const char *bitmap;
		if (world->disks[i].chain != NULL &&
		    tool_checkpoint_has(&world->folder.list[idx], world->disks[i].target,
					&bitmap))
			look_at_bitmap(flaws, world, idx, i, bitmap);
	}
}

/* ---- Bitmaps that no checkpoint has ----------------------------------------------------- */

static bool is_name(const char *text, const char *name, size_t name_bytes)
{
	return strlen(text) == name_bytes && memcmp(text, name, name_bytes) == 0;
}

/* By the name that most have, and then by each `bitmap=` that is named otherwise. */
bool tool_flaws_is_wanted(const struct tool_world *world, size_t disk, const char *name,
			  size_t name_bytes, size_t *unlisted)
{
	const struct tool_folder *folder = &world->folder;
	const char *target = world->disks[disk].target;
	*unlisted = NOWHERE;
	char *text =
		memchr(name, '\0', name_bytes) != NULL ? NULL : strndup(name, name_bytes);
	size_t own = text == NULL ? TOOL_FOLDER_NONE : tool_folder_find(folder, text);
	free(text);
	if (own != TOOL_FOLDER_NONE) {
		const char *bitmap;
		if (tool_checkpoint_has(&folder->list[own], target, &bitmap) &&
		    is_name(bitmap, name, name_bytes))
			return true;
		*unlisted = own;
	}
	for (size_t i = 0; i < folder->count; i++) {
		const char *bitmap;
		if (folder->list[i].names_other_bitmaps &&
		    folder->relations[i].is_loaded &&
		    tool_checkpoint_has(&folder->list[i], target, &bitmap) &&
		    is_name(bitmap, name, name_bytes))
			return true;
	}
	return false;
}

static void look_at_entry(struct tool_flaws *flaws, const struct tool_world *world,
			  size_t disk, size_t layer_idx, size_t idx)
{
	const struct qcow2bm_layer *layer;
	layer = qcow2bm_chain_layer(world->disks[disk].chain, layer_idx);
	const struct qcow2bm_bitmap *bitmap = qcow2bm_bitmap_describe(layer->image, idx);
	size_t unlisted;
	if (bitmap->temporary) {
		if (bitmap->state != QCOW2BM_STATE_IN_USE_LIVE)
			tool_flaws_add(
				flaws,
				TOOL_FLAW_AT(TEMPORARY, NOWHERE, disk, layer_idx, idx),
				"libvirt left bitmap '%.*s' of a job",
				(int)bitmap->name_bytes, bitmap->name);
		return;
	}
	if (bitmap->name_bytes == 0 ||
	    (!bitmap->of_chain && tool_flaws_is_wanted(world, disk, bitmap->name,
						       bitmap->name_bytes, &unlisted)))
		return;
	char *shown = tool_name_escape(bitmap->name, bitmap->name_bytes, TOOL_NAME_HUMAN);
	if (bitmap->of_chain)
		tool_flaws_add(
			flaws, TOOL_FLAW_AT(CHAIN_CUT_OFF, NOWHERE, disk, layer_idx, idx),
			"'%.300s' is of a `qcow2bm chain` command that was cut off: type that "
			"again before anything else",
			shown);
	else if (unlisted != NOWHERE)
		tool_flaws_add(
			flaws, TOOL_FLAW_AT(UNLISTED, unlisted, disk, layer_idx, idx),
			"the disk has a bitmap of its name, and by its XML it has none there");
	else
		tool_flaws_add(
			flaws, TOOL_FLAW_AT(ORPHAN, NOWHERE, disk, layer_idx, idx),
			"no checkpoint has bitmap '%.300s': libvirt makes none of that name",
			shown);
	free(shown);
}

static void look_at_disk(struct tool_flaws *flaws, const struct tool_world *world,
			 size_t idx)
{
	const struct tool_libvirt_disk *disk = &world->disks[idx];
	if (disk->why_not != NULL)
		tool_flaws_add(
			flaws,
			TOOL_FLAW_AT(DISK_NOT_READ, NOWHERE, idx, NOWHERE, NOWHERE),
			"%.600s", disk->why_not);
	if (disk->chain == NULL)
		return;
	if (disk->base_layer != NOWHERE)
		tool_flaws_add(
			flaws,
			TOOL_FLAW_AT(OTHER_BASE, NOWHERE, idx, disk->base_layer, NOWHERE),
			"the domain's XML names another base than the image: libvirt's is taken");
	for (size_t i = 0; i < qcow2bm_chain_layer_count(disk->chain); i++) {
		const struct qcow2bm_layer *layer = qcow2bm_chain_layer(disk->chain, i);
		size_t count =
			layer->image == NULL ? 0 : qcow2bm_bitmap_count(layer->image);
		for (size_t k = 0; k < count; k++)
			look_at_entry(flaws, world, idx, i, k);
	}
}

/* A disk that holds no bitmaps, or whose bitmaps cannot be looked at, and that is named by a
 * checkpoint. */
static void look_at_blind_disks(struct tool_flaws *flaws, const struct tool_world *world,
				size_t idx)
{
	for (size_t i = 0; i < world->disk_count; i++) {
		const struct tool_libvirt_disk *disk = &world->disks[i];
		if (disk->chain != NULL || disk->why_not != NULL ||
		    !tool_checkpoint_has(&world->folder.list[idx], disk->target, NULL))
			continue;
		if (tool_world_is_far(disk))
			tool_flaws_add(
				flaws,
				TOOL_FLAW_AT(DISK_NOT_LOCAL, idx, i, NOWHERE, NOWHERE),
				"the disk is in no local file, and is not looked at");
		else
			tool_flaws_add(
				flaws, TOOL_FLAW_AT(NO_BITMAP, idx, i, NOWHERE, NOWHERE),
				"the disk is no qcow2 image, and can have no bitmap");
	}
}

void tool_flaws_of_disks(struct tool_flaws *flaws, const struct tool_world *world)
{
	for (size_t i = 0; i < world->folder.count; i++) {
		if (!world->folder.relations[i].is_loaded)
			continue;
		look_at_checkpoint(flaws, world, i);
		look_at_blind_disks(flaws, world, i);
	}
	for (size_t i = 0; i < world->disk_count; i++)
		look_at_disk(flaws, world, i);
}
