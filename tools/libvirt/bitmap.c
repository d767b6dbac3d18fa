/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's rule for the bitmap of a checkpoint over the layers of a disk: in the top, without a gap, each
 * recording, none in-use, none corrupt. */
#include "world.h"

#include <string.h>

bool tool_world_is_far(const struct tool_libvirt_disk *disk)
{
	return disk->xml != NULL && disk->path == NULL && !disk->xml->is_empty;
}

bool tool_world_is_idle(const struct tool_libvirt_disk *disk)
{
	return disk->xml != NULL && (disk->xml->is_empty || disk->xml->is_read_only);
}

static size_t find(const struct tool_libvirt_disk *disk, size_t layer_idx,
		   const char *name)
{
	const struct qcow2bm_layer *layer = qcow2bm_chain_layer(disk->chain, layer_idx);
	return layer->image == NULL
		       ? QCOW2BM_NOT_FOUND
		       : qcow2bm_bitmap_find(layer->image, name, strlen(name));
}

static enum tool_bitmap_rule judge_one(const struct tool_libvirt_disk *disk,
				       size_t layer_idx, size_t idx)
{
	const struct qcow2bm_layer *layer = qcow2bm_chain_layer(disk->chain, layer_idx);
	const struct qcow2bm_bitmap *bitmap = qcow2bm_bitmap_describe(layer->image, idx);
	switch (bitmap->state) {
	case QCOW2BM_STATE_CORRUPT:
		return TOOL_BITMAP_CORRUPT;
	case QCOW2BM_STATE_IN_USE_STALE:
	case QCOW2BM_STATE_IN_USE_UNKNOWN:
		return TOOL_BITMAP_IN_USE;
	default:
		return bitmap->recording ? TOOL_BITMAP_SOUND : TOOL_BITMAP_SILENT;
	}
}

struct tool_bitmap_state tool_bitmap_judge(const struct tool_libvirt_disk *disk,
					   const char *name)
{
	struct tool_bitmap_state state = {TOOL_BITMAP_NONE, 0};
	size_t layers = qcow2bm_chain_layer_count(disk->chain), gap = layers;
	for (size_t i = 0; i < layers; i++) {
		size_t idx = find(disk, i, name);
		if (idx == QCOW2BM_NOT_FOUND) {
			gap = gap == layers ? i : gap;
			continue;
		}
		if (gap == 0)
			return (struct tool_bitmap_state){TOOL_BITMAP_NOT_IN_TOP, i};
		if (gap < i)
			return (struct tool_bitmap_state){TOOL_BITMAP_GAP, gap};
		state = (struct tool_bitmap_state){judge_one(disk, i, idx), i};
		if (state.rule != TOOL_BITMAP_SOUND)
			return state;
	}
	return state;
}

const char *tool_bitmap_word(enum tool_bitmap_rule rule)
{
	static const char *const words[] = {
		[TOOL_BITMAP_SOUND] = "ok",         [TOOL_BITMAP_NONE] = "missing",
		[TOOL_BITMAP_NOT_IN_TOP] = "below", [TOOL_BITMAP_GAP] = "gap",
		[TOOL_BITMAP_CORRUPT] = "corrupt",  [TOOL_BITMAP_IN_USE] = "in-use",
		[TOOL_BITMAP_SILENT] = "disabled",
	};
	return words[rule];
}

const char *tool_bitmap_reason(enum tool_bitmap_rule rule)
{
	static const char *const reasons[] = {
		[TOOL_BITMAP_SOUND] = NULL,
		[TOOL_BITMAP_NONE] = "the disk has no bitmap of it",
		[TOOL_BITMAP_NOT_IN_TOP] = "the top layer has no bitmap of it",
		[TOOL_BITMAP_GAP] = "a layer between has no bitmap of it",
		[TOOL_BITMAP_CORRUPT] = "its bitmap is damaged",
		[TOOL_BITMAP_IN_USE] = "a crash left its bitmap in-use",
		[TOOL_BITMAP_SILENT] = "its bitmap does not record",
	};
	return reasons[rule];
}
