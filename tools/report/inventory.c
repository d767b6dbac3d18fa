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

/* A bitmap that is corrupt shows what of it can be read all the same. */
static enum qcow2bm_code survey_one(struct tool_inventory_bitmap *bitmap,
				    struct qcow2bm_image *image, size_t idx,
				    bool count_bits, const struct qcow2bm_watch *watch,
				    struct qcow2bm_error *err)
{
	struct qcow2bm_error found = {0};
	unsigned flags = QCOW2BM_READ_UNTRUSTED | (count_bits ? QCOW2BM_READ_COUNT : 0u);
	enum qcow2bm_code code = qcow2bm_bitmap_judge(
		image, count_bits ? idx : QCOW2BM_NOT_FOUND, watch, err);
	bitmap->entry = *qcow2bm_bitmap_describe(image, idx);
	const char *problem = state_problem(&bitmap->entry);
	if (problem != NULL)
		bitmap->problem = tool_memory_copy(problem, strlen(problem));
	if (code != QCOW2BM_OK)
		return code;
	const struct qcow2bm_measure *measure;
	code = qcow2bm_bitmap_measure(image, idx, flags, &measure, watch, &found);
	bitmap->measured = code == QCOW2BM_OK;
	if (code == QCOW2BM_OK)
		bitmap->measure = *measure;
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

enum qcow2bm_code tool_inventory_take(struct tool_inventory *survey,
				      struct qcow2bm_image *image, bool count_bits,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	survey->count = qcow2bm_bitmap_count(image);
	survey->bitmaps = tool_memory_zeroed(survey->count, sizeof(*survey->bitmaps));
	survey->bits_counted = count_bits;
	for (size_t i = 0; i < survey->count; i++) {
		if (watch != NULL)
			watch->progress(watch->opaque, i, survey->count);
		enum qcow2bm_code code =
			survey_one(&survey->bitmaps[i], image, i, count_bits, watch, err);
		if (code != QCOW2BM_OK)
			return code;
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
