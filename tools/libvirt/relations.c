/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the checkpoints of a folder are to each other, by the names of their parents. */
#define _GNU_SOURCE /* qsort_r() */
#include "folder.h"

#include "../term/memory.h"

#include <stdlib.h>
#include <string.h>

#define NONE TOOL_FOLDER_NONE

/* Of several of one name the one whose file is named so comes first: libvirt takes whichever it reads
 * first. */
static int by_name(const void *a, const void *b, void *opaque)
{
	const struct tool_folder *folder = opaque;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	int order = strcmp(folder->list[x].name, folder->list[y].name);
	if (order != 0)
		return order;
	bool x_is_own = tool_checkpoint_is_own_file(&folder->list[x]);
	bool y_is_own = tool_checkpoint_is_own_file(&folder->list[y]);
	if (x_is_own != y_is_own)
		return x_is_own ? -1 : 1;
	return x < y ? -1 : 1;
}

size_t tool_folder_find(const struct tool_folder *folder, const char *name)
{
	size_t low = 0, high = folder->named_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(folder->list[folder->by_name[middle]].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == folder->named_count ||
	    strcmp(folder->list[folder->by_name[low]].name, name) != 0)
		return NONE;
	return folder->by_name[low];
}

/* Up from each until one is met that was seen: in this walk, it is a circle. */
static void find_cycles(struct tool_folder *folder)
{
	size_t *walks = tool_memory_zeroed(folder->count + 1, sizeof(size_t));
	for (size_t i = 0; i < folder->count; i++) {
		size_t at = i;
		while (at != NONE && walks[at] == 0) {
			walks[at] = i + 1;
			at = folder->relations[at].parent;
		}
		if (at == NONE || walks[at] != i + 1)
			continue;
		for (size_t on = at; !folder->relations[on].is_in_cycle;
		     on = folder->relations[on].parent)
			folder->relations[on].is_in_cycle = true;
	}
	free(walks);
}

void tool_relations_find(struct tool_folder *folder)
{
	folder->relations =
		tool_memory_zeroed(folder->count + 1, sizeof(*folder->relations));
	folder->by_name = tool_memory_zeroed(folder->count + 1, sizeof(size_t));
	for (size_t i = 0; i < folder->count; i++) {
		folder->relations[i].parent = NONE;
		if (folder->list[i].problem == NULL)
			folder->by_name[folder->named_count++] = i;
	}
	qsort_r(folder->by_name, folder->named_count, sizeof(size_t), by_name, folder);
	for (size_t i = 0; i < folder->count; i++) {
		const struct tool_checkpoint *it = &folder->list[i];
		struct tool_relations *relations = &folder->relations[i];
		relations->is_loaded =
			it->problem == NULL && tool_folder_find(folder, it->name) == i;
		if (!relations->is_loaded || it->parent == NULL)
			continue;
		relations->parent = tool_folder_find(folder, it->parent);
		if (relations->parent != NONE)
			folder->relations[relations->parent].children++;
	}
	find_cycles(folder);
}

bool tool_folder_descends(const struct tool_folder *folder, size_t idx, size_t of)
{
	size_t at = folder->relations[idx].parent;
	for (size_t steps = 0; steps < folder->count && at != NONE; steps++) {
		if (at == of)
			return true;
		at = folder->relations[at].parent;
	}
	return false;
}
