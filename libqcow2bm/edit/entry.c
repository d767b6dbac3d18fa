/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An entry of the new directory. */
#include "entry.h"

static struct q2_content *find_content(const struct q2_plan *plan,
				       const struct q2_staged *staged)
{
	/* Contents stand in the order of the staged bitmaps. */
	size_t low = 0, high = plan->content_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (plan->contents[middle].staged < staged)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == plan->content_count || plan->contents[low].staged != staged)
		return NULL;
	return &plan->contents[low];
}

struct q2_directory_entry q2_entry_make(const struct q2_plan *plan,
					const struct q2_staged *staged)
{
	const struct qcow2bm_edit *edit = plan->edit;
	struct q2_directory_entry entry = {.type = Q2_DIRECTORY_TYPE_DIRTY};
	if (staged->committed_idx != Q2_EDIT_NOT_COMMITTED)
		entry = edit->image->directory.bitmaps[staged->committed_idx].entry;
	size_t name_bytes;
	entry.name = q2_edit_name(edit, staged, &name_bytes);
	entry.name_bytes = (uint16_t)name_bytes;
	entry.flags = staged->flags;
	/* QEMU takes it for a reserved one; without extra data it says nothing. */
	if (edit->repair.is_wanted && entry.extra_bytes == 0)
		entry.flags &= ~(uint32_t)Q2_DIRECTORY_FLAG_EXTRA_COMPATIBLE;
	entry.granularity_bits = staged->granularity_bits;
	const struct q2_content *content = find_content(plan, staged);
	if (content != NULL && !content->is_unchanged) {
		entry.table_off = content->table_first
				  << edit->image->header.cluster_bits;
		entry.table_entries = (uint32_t)content->shape.entries;
	}
	return entry;
}
