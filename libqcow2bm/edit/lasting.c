/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether one state of an image stays right while the guest writes to it in the other state. */
#include "lasting.h"

#include "../format/entry.h"

/* QEMU records into a bitmap that is enabled; into one that a crash left in-use it does not, and
 * nobody trusts that anyway. */
static bool records(uint32_t flags)
{
	return (flags & Q2_DIRECTORY_FLAG_AUTO) != 0 &&
	       (flags & Q2_DIRECTORY_FLAG_IN_USE) == 0;
}

static bool recorded(const struct qcow2bm_edit *edit, size_t committed_idx)
{
	return committed_idx != Q2_EDIT_NOT_COMMITTED &&
	       records(edit->image->directory.bitmaps[committed_idx].entry.flags);
}

static bool has_recorded_bits(const struct qcow2bm_edit *edit,
			      const struct q2_staged *staged)
{
	if (staged->keeps_bits && recorded(edit, staged->committed_idx))
		return true;
	for (size_t i = 0; i < staged->source_count; i++) {
		const struct q2_edit_source *source = &staged->sources[i];
		if (source->kind == Q2_SOURCE_EVERYTHING ||
		    (source->kind == Q2_SOURCE_BITMAP && source->image == edit->image &&
		     recorded(edit, source->idx)))
			return true;
	}
	return false;
}

/* Bits that are read from what the layer holds, or found in its data, depend on when that is. */
static bool reads_layer(const struct q2_staged *staged)
{
	for (size_t i = 0; i < staged->source_count; i++)
		if (staged->sources[i].kind == Q2_SOURCE_ALLOCATED ||
		    staged->sources[i].kind == Q2_SOURCE_DIFFERS ||
		    staged->sources[i].kind == Q2_SOURCE_CARVED)
			return true;
	return false;
}

bool q2_lasting_forward(const struct qcow2bm_edit *edit)
{
	for (size_t i = 0; i < edit->count; i++) {
		const struct q2_staged *staged = &edit->staged[i];
		if (staged->is_deleted)
			continue;
		if (reads_layer(staged) ||
		    (records(staged->flags) && !has_recorded_bits(edit, staged)))
			return false;
	}
	return !edit->repair.is_wanted;
}

/* Whether bitmap idx, in the old state, has all bits of a bitmap that records in the new one. */
static bool has_new_bits(const struct qcow2bm_edit *edit, size_t idx)
{
	for (size_t i = 0; i < edit->count; i++) {
		const struct q2_staged *staged = &edit->staged[i];
		if (!staged->is_deleted && records(staged->flags) &&
		    staged->source_count == 0 &&
		    (!staged->keeps_bits || staged->committed_idx == idx))
			return true;
	}
	return false;
}

bool q2_lasting_back(const struct qcow2bm_edit *edit)
{
	for (size_t i = 0; i < edit->image->directory.count; i++)
		if (recorded(edit, i) && !has_new_bits(edit, i))
			return false;
	return !edit->repair.is_wanted;
}
