/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listing: what the directory says of each bitmap. */
#include "../format/name.h"
#include "../image/directory.h"
#include "../image/image.h"

size_t qcow2bm_bitmap_count(const struct qcow2bm_image *image)
{
	return image->directory.count;
}

/* Who has the image open decides what in-use means: a writer that lives, or one that crashed. */
static enum qcow2bm_state state_of(const struct qcow2bm_image *image,
				   const struct q2_bitmap *bitmap)
{
	if (bitmap->problem != NULL)
		return QCOW2BM_STATE_CORRUPT;
	if (!(bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE))
		return (bitmap->entry.flags & Q2_DIRECTORY_FLAG_AUTO) != 0
			       ? QCOW2BM_STATE_VALID
			       : QCOW2BM_STATE_DISABLED;
	switch (image->storage->writer) {
	case Q2_WRITER_LIVE:
		return QCOW2BM_STATE_IN_USE_LIVE;
	case Q2_WRITER_NONE:
		return QCOW2BM_STATE_IN_USE_STALE;
	case Q2_WRITER_IDLE:
	case Q2_WRITER_UNKNOWN:
		break;
	}
	return QCOW2BM_STATE_IN_USE_UNKNOWN;
}

const struct qcow2bm_bitmap *qcow2bm_bitmap_describe(const struct qcow2bm_image *image,
						     size_t idx)
{
	static const struct qcow2bm_bitmap none = {
		.name = "",
		.state = QCOW2BM_STATE_CORRUPT,
		.problem = "there is no bitmap of this number",
	};
	if (idx >= image->directory.count)
		return &none;
	struct q2_bitmap *committed = &image->directory.bitmaps[idx];
	const struct q2_directory_entry *entry = &committed->entry;
	committed->shown = (struct qcow2bm_bitmap){
		.name = (const char *)entry->name,
		.name_bytes = entry->name_bytes,
		.granularity_bits = entry->granularity_bits,
		.in_use = entry->flags & Q2_DIRECTORY_FLAG_IN_USE,
		.recording = entry->flags & Q2_DIRECTORY_FLAG_AUTO,
		.temporary = q2_name_is_temporary(entry->name, entry->name_bytes),
		.state = state_of(image, committed),
		.problem = committed->problem,
		.table_offset = entry->table_off,
		.table_entries = entry->table_entries,
		.extra_bytes = entry->extra_bytes,
		.of_chain = q2_name_is_own(entry->name, entry->name_bytes),
	};
	return &committed->shown;
}

size_t qcow2bm_bitmap_find(const struct qcow2bm_image *image, const char *name,
			   size_t name_bytes)
{
	return q2_directory_find(&image->directory, name, name_bytes, NULL);
}
