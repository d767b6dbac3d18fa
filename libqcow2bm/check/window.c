/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The window of clusters whose references are counted. */
#include "window.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"

static bool has_block(const struct q2_window *window,
		      const struct q2_refcounts *refcounts, uint64_t first)
{
	uint64_t end = first + ((uint64_t)1 << window->shift);
	for (uint64_t i = first >> refcounts->block_shift;
	     i < refcounts->table_entries && i << refcounts->block_shift < end; i++)
		if (q2_refcounts_has_block(refcounts, i))
			return true;
	return false;
}

enum qcow2bm_code q2_window_open(struct q2_window *window, unsigned shift,
				 uint64_t file_clusters,
				 const struct q2_refcounts *refcounts,
				 struct qcow2bm_error *err)
{
	uint64_t counted = q2_min_u64(file_clusters,
				      refcounts->table_entries << refcounts->block_shift);
	uint64_t room = q2_min_u64(file_clusters, (uint64_t)1 << shift);
	*window = (struct q2_window){
		.shift = shift,
		.file_clusters = file_clusters,
		.windows = q2_max_u64(q2_shift_up(counted, shift), 1),
		.is_first = true,
	};
	window->is_stored = calloc((size_t)window->windows, 1);
	window->counts = malloc((size_t)room * sizeof(*window->counts));
	if (window->is_stored == NULL || window->counts == NULL)
		return q2_fail_memory(err, "the reference walk");
	for (uint64_t i = 0; i < window->windows; i++)
		window->is_stored[i] = i == 0 || has_block(window, refcounts, i << shift);
	return QCOW2BM_OK;
}

void q2_window_close(struct q2_window *window)
{
	free(window->counts);
	free(window->is_stored);
	memset(window, 0, sizeof(*window));
}

bool q2_window_move(struct q2_window *window, uint64_t idx)
{
	if (!window->is_stored[idx])
		return false;
	window->first = idx << window->shift;
	window->clusters = q2_min_u64((uint64_t)1 << window->shift,
				      window->file_clusters - window->first);
	window->is_marked = false;
	memset(window->counts, 0, (size_t)window->clusters * sizeof(*window->counts));
	return true;
}

/* The whole chunk at once, so that a sound image costs one look at many clusters. */
static bool agrees(const uint16_t *counts, const uint16_t *stored, size_t count,
		   bool *is_used)
{
	unsigned bad = 0, used = 0;
	for (size_t i = 0; i < count; i++) {
		uint16_t value = counts[i];
		uint16_t counted = (uint16_t)((value & Q2_WINDOW_OTHERS) + (value >> 14));
		bad |= (uint16_t)(counted ^ stored[i]);
		bad |= value > Q2_WINDOW_ONE_BITMAP;
		used |= value | stored[i];
	}
	*is_used = used != 0;
	return bad == 0;
}

bool q2_window_is_sound(const struct q2_window *window, uint64_t cluster,
			const uint16_t *stored, size_t count, uint64_t *last)
{
	const uint16_t *counts = window->counts + (cluster - window->first);
	bool is_used, is_sound = agrees(counts, stored, count, &is_used);
	for (size_t i = count; is_used && i-- > 0;)
		if (counts[i] != 0 || stored[i] != 0) {
			*last = cluster + i;
			break;
		}
	return is_sound;
}

bool q2_window_is_unused(const struct q2_window *window, uint64_t cluster, size_t count)
{
	const uint16_t *counts = window->counts + (cluster - window->first);
	unsigned referred = 0;
	for (size_t i = 0; i < count; i++)
		referred |= counts[i];
	return referred == 0;
}
