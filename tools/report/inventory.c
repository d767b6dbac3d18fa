/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All bitmaps of an image with what was measured of them: what list and info report. */
#include "inventory.h"

#include "../term/memory.h"
#include "../term/message.h"

#include <stdlib.h>
#include <string.h>

static const char *state_problem(const struct qcow2bm_bitmap *entry)
{
	switch (entry->state) {
	case QCOW2BM_STATE_IN_USE_LIVE:
		return "a running program has the image open for writing";
	case QCOW2BM_STATE_IN_USE_STALE:
		return "left in use by a crash: its bits cannot be trusted";
	case QCOW2BM_STATE_IN_USE_UNKNOWN:
		return "in use: a program still has the image open, or locks cannot tell";
	case QCOW2BM_STATE_CORRUPT:
		return entry->problem != NULL ? entry->problem : "breaks the format";
	default:
		return NULL;
	}
}

/* The sketch costs no other reading than the count. */
static enum qcow2bm_code measure(struct tool_inventory_bitmap *bitmap,
				 struct qcow2bm_image *image, size_t idx,
				 const struct tool_inventory_order *order,
				 const struct qcow2bm_watch *watch,
				 struct qcow2bm_error *err)
{
	uint64_t parts[TOOL_SKETCH_PARTS];
	unsigned flags =
		QCOW2BM_READ_UNTRUSTED | (order->count_bits ? QCOW2BM_READ_COUNT : 0u);
	const struct qcow2bm_measure *found;
	enum qcow2bm_code code =
		order->sketch
			? qcow2bm_bitmap_sketch(image, idx, flags, parts,
						TOOL_SKETCH_PARTS, &found, watch, err)
			: qcow2bm_bitmap_measure(image, idx, flags, &found, watch, err);
	if (code == QCOW2BM_OK)
		bitmap->measure = *found;
	if (code == QCOW2BM_OK && order->sketch)
		tool_sketch_take(&bitmap->sketch, parts,
				 qcow2bm_image_describe(image)->virtual_bytes);
	return code;
}

/* A bitmap that is corrupt shows what of it can be read all the same. */
enum qcow2bm_code tool_inventory_take_one(struct tool_inventory_bitmap *bitmap,
					  struct qcow2bm_image *image, size_t idx,
					  const struct tool_inventory_order *order,
					  const struct qcow2bm_watch *watch,
					  struct qcow2bm_error *err)
{
	struct qcow2bm_error found = {0};
	enum qcow2bm_code code = qcow2bm_bitmap_judge(
		image, order->count_bits ? idx : QCOW2BM_NOT_FOUND, watch, err);
	bitmap->entry = *qcow2bm_bitmap_describe(image, idx);
	const char *problem = state_problem(&bitmap->entry);
	if (problem != NULL)
		bitmap->problem = tool_memory_copy(problem, strlen(problem));
	if (code != QCOW2BM_OK)
		return code;
	code = measure(bitmap, image, idx, order, watch, &found);
	bitmap->measured = code == QCOW2BM_OK;
	if (code != QCOW2BM_OK && code != QCOW2BM_EIMAGE) {
		*err = found;
		return code;
	}
	/* The file ended since it was judged. */
	if (code == QCOW2BM_EIMAGE && bitmap->entry.state != QCOW2BM_STATE_CORRUPT) {
		free(bitmap->problem);
		bitmap->problem = tool_message_sentence(&found);
		bitmap->entry.state = QCOW2BM_STATE_CORRUPT;
	}
	return QCOW2BM_OK;
}

static bool has_name(const struct tool_inventory_order *order,
		     const struct qcow2bm_image *image, size_t idx)
{
	struct qcow2bm_bitmap entry = *qcow2bm_bitmap_describe(image, idx);
	return order->selection == NULL ||
	       tool_selection_has_name(order->selection, entry.name, entry.name_bytes);
}

static bool is_wanted(const struct tool_inventory_order *order,
		      const struct tool_inventory_bitmap *bitmap)
{
	return order->selection == NULL ||
	       tool_selection_has_state(order->selection, bitmap->entry.state);
}

enum qcow2bm_code tool_inventory_take(struct tool_inventory *survey,
				      struct qcow2bm_image *image,
				      const struct tool_inventory_order *order,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	size_t count = qcow2bm_bitmap_count(image);
	*survey = (struct tool_inventory){
		.bitmaps = tool_memory_zeroed(count, sizeof(*survey->bitmaps)),
		.image_count = count,
		.bits_counted = order->count_bits,
		.has_sketches = order->sketch,
	};
	for (size_t i = 0; i < count; i++) {
		struct tool_inventory_bitmap *bitmap = &survey->bitmaps[survey->count];
		if (watch != NULL)
			watch->progress(watch->opaque, i, count);
		if (!has_name(order, image, i))
			continue;
		enum qcow2bm_code code =
			tool_inventory_take_one(bitmap, image, i, order, watch, err);
		survey->count++;
		if (code != QCOW2BM_OK)
			return code;
		if (!is_wanted(order, bitmap)) {
			free(bitmap->problem);
			*bitmap = (struct tool_inventory_bitmap){.problem = NULL};
			survey->count--;
		}
	}
	return QCOW2BM_OK;
}

void tool_inventory_free(struct tool_inventory *survey)
{
	for (size_t i = 0; i < survey->count; i++)
		free(survey->bitmaps[i].problem);
	free(survey->bitmaps);
	memset(survey, 0, sizeof(*survey));
}
