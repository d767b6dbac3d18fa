/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Evidence of a program that knows no bitmaps. */
#define _POSIX_C_SOURCE 200809L /* strdup() */
#include "evidence.h"

#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "../format/table.h"
#include "../image/directory.h"

/* Of a bitmap in use the size may be that of before a resize. Whoever breaks another rule, too, says
 * nothing of the disk. */
bool q2_evidence_has_other_size(const struct qcow2bm_image *image,
				const struct q2_bitmap *bitmap)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	const struct q2_header *header = &image->header;
	if (bitmap->has_bad_length || (entry->flags & Q2_DIRECTORY_FLAG_IN_USE) ||
	    entry->type != Q2_DIRECTORY_TYPE_DIRTY || entry->name_bytes == 0 ||
	    entry->granularity_bits < Q2_DIRECTORY_MIN_GRANULARITY_BITS ||
	    entry->granularity_bits > Q2_DIRECTORY_MAX_GRANULARITY_BITS ||
	    entry->table_entries == 0 ||
	    entry->table_entries > Q2_TABLE_MAX_BITMAP_BYTES >> header->cluster_bits)
		return false;
	uint64_t entries = q2_table_shape(header->virtual_bytes, entry->granularity_bits,
					  header->cluster_bits)
				   .entries;
	return entries != 0 && entry->table_entries != entries;
}

/* In a dirty image refcounts are expected to be wrong; of entries that the extension does not count
 * nobody need have counted the clusters. */
bool q2_evidence_counts_free(const struct qcow2bm_image *image,
			     const struct q2_bitmap *bitmap)
{
	return !(image->header.incompatible_features & Q2_INCOMPATIBLE_DIRTY) &&
	       (bitmap == NULL || !bitmap->is_surplus);
}

static enum qcow2bm_code note(struct q2_directory *directory,
			      const struct q2_bitmap *bitmap, const char *what,
			      struct qcow2bm_error *err)
{
	char sentence[400];
	int shown = 0;
	if (directory->evidence != NULL)
		return QCOW2BM_OK;
	if (bitmap != NULL)
		shown = bitmap->entry.name_bytes > 100 ? 100 : bitmap->entry.name_bytes;
	snprintf(sentence, sizeof(sentence),
		 "%s%.*s%s: a program that knows no bitmaps may have written to the disk",
		 bitmap != NULL ? "bitmap '" : "", shown,
		 bitmap != NULL ? (const char *)bitmap->entry.name : "", what);
	directory->evidence = strdup(sentence);
	return directory->evidence == NULL ? q2_fail_memory(err, "a problem")
					   : QCOW2BM_OK;
}

static enum qcow2bm_code judge_bitmap(struct qcow2bm_image *image,
				      struct q2_bitmap *bitmap, struct qcow2bm_error *err)
{
	bool is_free = bitmap->is_evidence && q2_evidence_counts_free(image, bitmap);
	bitmap->is_evidence = is_free || q2_evidence_has_other_size(image, bitmap);
	if (!bitmap->is_evidence)
		return QCOW2BM_OK;
	return note(&image->directory, bitmap,
		    is_free ? "' has clusters that are counted as free"
			    : "' does not fit the disk's size",
		    err);
}

enum qcow2bm_code q2_evidence_judge(struct qcow2bm_image *image, bool is_directory_free,
				    struct qcow2bm_error *err)
{
	struct q2_directory *directory = &image->directory;
	enum qcow2bm_code code = QCOW2BM_OK;
	directory->is_evidence =
		is_directory_free && q2_evidence_counts_free(image, NULL);
	if (directory->is_evidence)
		code = note(directory, NULL, "the bitmap directory is counted as free",
			    err);
	for (size_t i = 0; code == QCOW2BM_OK && i < directory->count; i++)
		code = judge_bitmap(image, &directory->bitmaps[i], err);
	for (size_t i = 0;
	     code == QCOW2BM_OK && directory->evidence != NULL && i < directory->count;
	     i++)
		code = q2_directory_note_problem(&directory->bitmaps[i],
						 directory->evidence, err);
	return code;
}
