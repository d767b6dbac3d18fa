/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's rule for the bitmap of a checkpoint over the layers of a disk: in the top, without a gap, each
 * recording, none in-use, none corrupt; and whether all of a disk are kept so. */
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

/* The first that has any bitmap: it is what the guest writes, or what a snapshot without bitmaps stands on. */
static size_t find_top(const struct qcow2bm_chain *chain)
{
	size_t layers = qcow2bm_chain_layer_count(chain);
	for (size_t layer = 0; layer < layers; layer++)
		for (size_t i = 0; i < qcow2bm_chain_count(chain); i++)
			if (qcow2bm_chain_bitmap(chain, i, layer) != QCOW2BM_NOT_FOUND)
				return layer;
	return 0;
}

static bool is_recording(const struct qcow2bm_chain *chain, size_t idx, size_t layer_idx)
{
	const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, layer_idx);
	size_t bitmap = qcow2bm_chain_bitmap(chain, idx, layer_idx);
	return bitmap != QCOW2BM_NOT_FOUND &&
	       qcow2bm_bitmap_describe(layer->image, bitmap)->recording;
}

/* In a delta chain only the newest records, and of names with a parent's in them the oldest alone is plain: a plain one
 * that records is no part of such a chain, unless it is of one with plain names alone. */
enum qcow2bm_scheme tool_bitmap_scheme(const struct qcow2bm_chain *chain)
{
	size_t count = qcow2bm_chain_count(chain), top = find_top(chain), plain = 0,
	       recording = 0;
	for (size_t i = 0; i < count; i++) {
		bool is_plain = qcow2bm_chain_checkpoint(chain, i)->parent == NULL;
		plain += is_plain;
		recording += is_plain && is_recording(chain, i, top);
	}
	if (count == 0)
		return QCOW2BM_SCHEME_NONE;
	if (recording == 0 && plain != count)
		return QCOW2BM_SCHEME_DELTA;
	if (plain == 1)
		return QCOW2BM_SCHEME_ANY;
	if (recording == 0)
		return QCOW2BM_SCHEME_UNKNOWN;
	return recording == 1 ? QCOW2BM_SCHEME_DELTA : QCOW2BM_SCHEME_NESTED;
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
