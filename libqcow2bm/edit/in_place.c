/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For images that have no room left: a device that is full, a file on a full file system. Elsewhere
 * the directory is written anew, so that what was deleted by mistake can still be carved, and an
 * edit of any size is one switch.
 */
#include "in_place.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "entry.h"

#define SECTOR_BYTES 512

/* Where the bytes of the committed entry idx begin in its directory; with the count, its end. */
static size_t entry_at(const struct q2_directory *directory, size_t idx)
{
	return idx == directory->count
		       ? directory->size
		       : (size_t)(directory->bitmaps[idx].off - directory->off);
}

/* Puts what the directory shall hold of a staged bitmap to `bytes`; false when that takes more or
 * less room than its entry. */
static bool encode(const struct q2_plan *plan, const struct q2_staged *staged,
		   size_t entry_bytes, uint8_t *bytes)
{
	struct q2_directory_entry entry = q2_entry_make(plan, staged);
	if (q2_directory_entry_bytes(&entry) != entry_bytes)
		return false;
	q2_directory_entry_encode(&entry, bytes);
	return true;
}

/* The entries that stay, then those that go. Where some go the others must not change: the old
 * state has them, too. */
static bool arrange(const struct q2_plan *plan, uint8_t *bytes)
{
	const struct qcow2bm_edit *edit = plan->edit;
	const struct q2_directory *directory = &edit->image->directory;
	bool deletes = edit->live != directory->count;
	size_t at = 0;
	for (int is_deleted = 0; is_deleted < 2; is_deleted++) {
		for (size_t i = 0; i < directory->count; i++) {
			size_t from = entry_at(directory, i);
			size_t entry_bytes = entry_at(directory, i + 1) - from;
			if (edit->staged[i].is_deleted != (is_deleted == 1))
				continue;
			if (is_deleted == 0 &&
			    !encode(plan, &edit->staged[i], entry_bytes, bytes + at))
				return false;
			if (deletes && is_deleted == 0 &&
			    memcmp(bytes + at, directory->bytes + from, entry_bytes) != 0)
				return false;
			if (is_deleted == 1)
				memcpy(bytes + at, directory->bytes + from, entry_bytes);
			at += entry_bytes;
		}
	}
	return at == directory->size;
}

/* Finds what of the arrangement is not on disk; false when that is not inside one sector. */
static bool find_change(struct q2_in_place *in_place,
			const struct q2_directory *directory)
{
	size_t first = 0, end = directory->size;
	while (first < end && in_place->bytes[first] == directory->bytes[first])
		first++;
	while (end > first && in_place->bytes[end - 1] == directory->bytes[end - 1])
		end--;
	in_place->first = first;
	in_place->count = end - first;
	return first == end || first / SECTOR_BYTES == (end - 1) / SECTOR_BYTES;
}

/* Whether the clusters of the directory are its own for sure: they are written to. */
static enum qcow2bm_code check_owned(const struct q2_plan *plan,
				     const struct q2_clusters *kept, bool *is_owned,
				     struct qcow2bm_error *err)
{
	struct q2_clusters foreign = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < kept->count; i++)
		code = q2_clusters_add(&foreign, kept->runs[i].first, kept->runs[i].count,
				       err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&foreign, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&foreign, &plan->provable, err);
	*is_owned = foreign.count == 0;
	q2_clusters_free(&foreign);
	return code;
}

/* The clusters that the directory keeps are neither old nor to be released. */
static enum qcow2bm_code keep_clusters(struct q2_plan *plan, bool *is_owned,
				       struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = plan->edit->image;
	struct q2_clusters kept = {0};
	enum qcow2bm_code code = q2_refs_add_bytes(&kept, image, image->directory.off,
						   plan->directory_bytes, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&kept, NULL, err);
	if (code == QCOW2BM_OK)
		code = check_owned(plan, &kept, is_owned, err);
	*is_owned |= plan->in_place.count == 0;
	if (code == QCOW2BM_OK && *is_owned)
		code = q2_clusters_subtract(&plan->given_up, &kept, err);
	if (code == QCOW2BM_OK && *is_owned)
		code = q2_clusters_subtract(&plan->provable, &kept, err);
	q2_clusters_free(&kept);
	return code;
}

/* What was taken for a new directory is not needed. */
static void adopt(struct q2_plan *plan)
{
	const struct qcow2bm_image *image = plan->edit->image;
	plan->directory_first = image->directory.off >> image->header.cluster_bits;
	plan->directory_clusters = 0;
	plan->in_place.is_switch = plan->in_place.count != 0 &&
				   plan->edit->live == image->directory.count &&
				   !plan->edit->repair.is_wanted;
	q2_clusters_free(&plan->alloc.taken);
	q2_grow_refcounts_free(&plan->growth);
}

enum qcow2bm_code q2_in_place_plan(struct q2_plan *plan, struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = plan->edit->image;
	struct q2_in_place *in_place = &plan->in_place;
	/* A damaged directory may not be what it is taken for; added bitmaps need clusters. */
	if (image->damage_count != 0 || plan->content_count != 0 ||
	    plan->directory_bytes == 0 || plan->edit->count != image->directory.count)
		return QCOW2BM_OK;
	in_place->bytes = malloc(image->directory.size);
	if (in_place->bytes == NULL)
		return q2_fail_memory(err, "the bitmap directory");
	bool fits = arrange(plan, in_place->bytes) &&
		    find_change(in_place, &image->directory);
	enum qcow2bm_code code = QCOW2BM_OK;
	if (fits)
		code = keep_clusters(plan, &fits, err);
	if (code == QCOW2BM_OK && fits) {
		adopt(plan);
		return QCOW2BM_OK;
	}
	free(in_place->bytes);
	*in_place = (struct q2_in_place){0};
	return code;
}
