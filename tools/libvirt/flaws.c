/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of what can be wrong between libvirt's checkpoints and bitmaps, and what helps. */
#include "flaws.h"

#include "redefine.h"

#include "../term/memory.h"
#include "../term/name.h"
#include "../term/word.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW(id, code, severity, cure) \
	[TOOL_FLAW_##id] = {code, QCOW2BM_SEVERITY_##severity, TOOL_LIBVIRT_CURE_##cure}

/* One row, one line: id, code, severity, cure. */
/* clang-format off */
static const struct tool_flaw_kind kinds[TOOL_FLAWS] = {
	/* The files. */
	ROW(UNREADABLE, "file-unreadable", ERROR, REPAIR),
	ROW(NO_FILE, "file-unreadable", ERROR, NONE),
	ROW(NOT_LOADED, "file-not-loaded", ERROR, REPAIR),
	ROW(LEFT_OVER, "file-left-over", WARNING, REPAIR),
	ROW(NAME_TWICE, "name-twice", ERROR, REPAIR),
	ROW(FILE_NAME, "file-name", WARNING, REPAIR),
	ROW(FILE_MODE, "file-mode", WARNING, REPAIR),

	/* What they say of each other. */
	ROW(PARENT_MISSING, "parent-missing", ERROR, REPAIR),
	ROW(CYCLE, "cycle", ERROR, REPAIR),
	ROW(FORK, "fork", WARNING, REPAIR),
	ROW(ROOTS, "several-roots", WARNING, REPAIR),
	ROW(TIME, "older-than-parent", NOTE, NONE),

	/* What they say of disks. */
	ROW(BITMAP_NAME, "bitmap-name", ERROR, REPAIR),
	ROW(DISK_UNKNOWN, "disk-unknown", NOTE, NONE),
	ROW(DISK_NOT_READ, "disk-not-read", ERROR, NONE),
	ROW(DISK_NOT_LOCAL, "disk-not-local", NOTE, NONE),
	ROW(OTHER_BASE, "other-base", NOTE, NONE),

	/* The bitmap of a checkpoint on a disk. */
	ROW(NO_BITMAP, "no-bitmap", ERROR, REPAIR),
	ROW(SOME_DISKS, "some-disks", ERROR, REPAIR),
	ROW(NOT_IN_TOP, "not-in-top", ERROR, REPAIR),
	ROW(GAP, "gap-between-layers", ERROR, REPAIR),
	ROW(CORRUPT, "corrupt", ERROR, CHECK),
	ROW(IN_USE, "in-use", WARNING, RECOVER),
	ROW(DISABLED, "disabled", ERROR, REPAIR),

	/* Bitmaps that are no checkpoint's. */
	ROW(ORPHAN, "orphan-bitmap", WARNING, REPAIR),
	ROW(UNLISTED, "unlisted-bitmap", WARNING, REPAIR),
	ROW(TEMPORARY, "temporary", WARNING, DELETE),
	ROW(CHAIN_CUT_OFF, "chain-cut-off", WARNING, AGAIN),
};
/* clang-format on */

const struct tool_flaw_kind *tool_flaw_kind(enum tool_flaw_id id)
{
	return &kinds[id];
}

void tool_flaws_add(struct tool_flaws *flaws, struct tool_flaw place, const char *fmt,
		    ...)
{
	char sentence[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, args);
	va_end(args);
	place.sentence = tool_memory_copy(sentence, strlen(sentence));
	/* In doubling steps: there may be 65535 of them. */
	if ((flaws->count & (flaws->count + 1)) == 0 || flaws->list == NULL)
		flaws->list = tool_memory_resize(flaws->list, (flaws->count + 1) * 2,
						 sizeof(*flaws->list));
	flaws->list[flaws->count++] = place;
}

static int compare_sizes(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

static int by_severity(const void *a, const void *b)
{
	const struct tool_flaw *x = a, *y = b;
	int order = (int)kinds[y->id].severity - (int)kinds[x->id].severity;
	if (order == 0)
		order = compare_sizes(x->checkpoint, y->checkpoint);
	if (order == 0)
		order = compare_sizes(x->disk, y->disk);
	if (order == 0)
		order = compare_sizes(x->layer, y->layer);
	return order != 0 ? order : strcmp(x->sentence, y->sentence);
}

/* ---- What helps --------------------------------------------------------------------------- */

static bool knows_any(const struct tool_folder *folder)
{
	for (size_t i = 0; i < folder->count; i++)
		if (folder->relations[i].is_loaded)
			return true;
	return false;
}

/* A bitmap in the top layer of which a checkpoint can be made. */
static bool can_adopt(const struct tool_world *world,
		      const struct tool_libvirt_disk *disk)
{
	const struct qcow2bm_layer *top =
		disk->chain == NULL ? NULL : qcow2bm_chain_layer(disk->chain, 0);
	size_t count =
		top == NULL || top->image == NULL ? 0 : qcow2bm_bitmap_count(top->image);
	bool is_found = false;
	for (size_t i = 0; i < count && !is_found; i++) {
		const struct qcow2bm_bitmap *bitmap =
			qcow2bm_bitmap_describe(top->image, i);
		size_t unused;
		char *name = tool_memory_copy(bitmap->name, bitmap->name_bytes);
		is_found = strlen(name) == bitmap->name_bytes &&
			   tool_redefine_obstacle(world, name, &unused) == NULL;
		free(name);
	}
	return is_found;
}

static bool can_adopt_any(const struct tool_world *world)
{
	for (size_t i = 0; i < world->disk_count; i++)
		if (can_adopt(world, &world->disks[i]))
			return true;
	return false;
}

static bool is_in_use(const struct tool_world *world, const struct tool_flaw *flaw)
{
	if (flaw->id != TOOL_FLAW_ORPHAN)
		return false;
	const struct qcow2bm_layer *layer =
		qcow2bm_chain_layer(world->disks[flaw->disk].chain, flaw->layer);
	enum qcow2bm_state state =
		qcow2bm_bitmap_describe(layer->image, flaw->bitmap)->state;
	return state == QCOW2BM_STATE_IN_USE_STALE ||
	       state == QCOW2BM_STATE_IN_USE_UNKNOWN;
}

/* Where libvirt knows no checkpoint the files are lost, and bitmaps are all that is left of them: these become
 * checkpoints again, after those are saved that a crash left in-use. */
static void choose_cures(struct tool_flaws *flaws, const struct tool_world *world)
{
	bool is_lost = !knows_any(&world->folder);
	bool is_adopting = is_lost && can_adopt_any(world);
	for (size_t i = 0; i < flaws->count; i++) {
		struct tool_flaw *flaw = &flaws->list[i];
		flaw->cure = kinds[flaw->id].cure;
		if (is_lost && is_in_use(world, flaw))
			flaw->cure = TOOL_LIBVIRT_CURE_RECOVER;
		else if (is_adopting && flaw->cure == TOOL_LIBVIRT_CURE_REPAIR)
			flaw->cure = TOOL_LIBVIRT_CURE_ADOPT;
	}
}

void tool_flaws_find(struct tool_flaws *flaws, const struct tool_world *world)
{
	*flaws = (struct tool_flaws){0};
	tool_flaws_of_files(flaws, world);
	tool_flaws_of_disks(flaws, world);
	choose_cures(flaws, world);
	if (flaws->count > 1)
		qsort(flaws->list, flaws->count, sizeof(*flaws->list), by_severity);
}

void tool_flaws_free(struct tool_flaws *flaws)
{
	for (size_t i = 0; i < flaws->count; i++)
		free(flaws->list[i].sentence);
	free(flaws->list);
}

bool tool_flaws_has_problems(const struct tool_flaws *flaws)
{
	for (size_t i = 0; i < flaws->count; i++)
		if (kinds[flaws->list[i].id].severity != QCOW2BM_SEVERITY_NOTE)
			return true;
	return false;
}

char *tool_flaw_cure(const struct tool_world *world, const struct tool_flaw *flaw)
{
	struct tool_text text = {0};
	const struct qcow2bm_layer *layer = NULL;
	if (flaw->disk != TOOL_FLAW_NOWHERE && flaw->layer != TOOL_FLAW_NOWHERE)
		layer = qcow2bm_chain_layer(world->disks[flaw->disk].chain, flaw->layer);
	switch (flaw->cure) {
	case TOOL_LIBVIRT_CURE_NONE:
	case TOOL_LIBVIRT_CURE_AGAIN:
		break;
	case TOOL_LIBVIRT_CURE_REPAIR:
		tool_text_print(&text, "qcow2bm libvirt repair%s", world->options);
		break;
	case TOOL_LIBVIRT_CURE_ADOPT:
		tool_text_print(&text, "qcow2bm libvirt repair --adopt%s",
				world->options);
		break;
	case TOOL_LIBVIRT_CURE_RECOVER:
	case TOOL_LIBVIRT_CURE_DELETE: {
		bool is_recover = flaw->cure == TOOL_LIBVIRT_CURE_RECOVER;
		const struct qcow2bm_bitmap *bitmap =
			qcow2bm_bitmap_describe(layer->image, flaw->bitmap);
		char *shown = tool_name_escape(bitmap->name, bitmap->name_bytes,
					       TOOL_NAME_HUMAN);
		tool_text_print(&text, "qcow2bm %s --",
				is_recover ? "recover --auto" : "delete");
		tool_word_add_file(&text, layer->filename);
		tool_word_add(&text, shown);
		free(shown);
		break;
	}
	case TOOL_LIBVIRT_CURE_CHECK:
		tool_text_print(&text, "qcow2bm check --");
		tool_word_add_file(&text, layer->filename);
		break;
	}
	return text.bytes;
}
