/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an edit changes, bitmap by bitmap. */
#include <stdlib.h>

#include "../base/error.h"
#include "plan.h"

enum qcow2bm_code q2_plan_list_changes(struct qcow2bm_edit *edit,
				       struct qcow2bm_error *err)
{
	free(edit->changed);
	free(edit->shown);
	edit->shown = NULL;
	edit->changed_count = 0;
	edit->changed = malloc((edit->count + 1) * sizeof(*edit->changed));
	if (edit->changed == NULL)
		return q2_fail_memory(err, "an edit");
	for (size_t i = 0; i < edit->count; i++)
		if (q2_edit_is_changed(edit, &edit->staged[i]))
			edit->changed[edit->changed_count++] = i;
	edit->shown = calloc(edit->changed_count + 1, sizeof(*edit->shown));
	if (edit->shown == NULL) {
		edit->changed_count = 0;
		return q2_fail_memory(err, "an edit");
	}
	return QCOW2BM_OK;
}

static size_t count_bitmaps(const struct q2_staged *staged)
{
	size_t count = staged->keeps_bits;
	for (size_t i = 0; i < staged->source_count; i++)
		count += staged->sources[i].kind == Q2_SOURCE_BITMAP ||
			 staged->sources[i].kind == Q2_SOURCE_CARVED;
	return count;
}

/* What the caller is told of one changed bitmap. */
static void show(const struct qcow2bm_edit *edit, const struct q2_staged *staged,
		 struct qcow2bm_change *change)
{
	*change = (struct qcow2bm_change){
		.kind = QCOW2BM_CHANGE_UPDATE,
		.granularity_bits = staged->granularity_bits,
		.enabled = staged->flags & Q2_DIRECTORY_FLAG_AUTO,
		.content_changed = q2_edit_changes_content(staged),
		.sources = count_bitmaps(staged),
		.promise = staged->is_recovered ? &staged->promise : NULL,
		.old_idx = QCOW2BM_NOT_FOUND,
	};
	if (staged->committed_idx != Q2_EDIT_NOT_COMMITTED) {
		const struct q2_directory_entry *entry =
			&edit->image->directory.bitmaps[staged->committed_idx].entry;
		change->old_name = (const char *)entry->name;
		change->old_name_bytes = entry->name_bytes;
		change->old_idx = staged->committed_idx;
		change->flag_changed =
			(staged->flags ^ entry->flags) & Q2_DIRECTORY_FLAG_AUTO;
	} else {
		change->kind = QCOW2BM_CHANGE_ADD;
	}
	if (staged->is_deleted)
		change->kind = QCOW2BM_CHANGE_DELETE;
	else
		change->new_name =
			(const char *)q2_edit_name(edit, staged, &change->new_name_bytes);
}

const struct qcow2bm_change *qcow2bm_edit_change(const struct qcow2bm_edit *edit,
						 size_t idx)
{
	static const struct qcow2bm_change none = {.kind = QCOW2BM_CHANGE_NONE,
						   .old_idx = QCOW2BM_NOT_FOUND};
	if (q2_edit_enter(edit, NULL) != QCOW2BM_OK || idx >= edit->changed_count)
		return &none;
	show(edit, &edit->staged[edit->changed[idx]], &edit->shown[idx]);
	return &edit->shown[idx];
}
