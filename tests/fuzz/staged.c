/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model of bitmaps made of ranges: no code in common with the library's bits. */
#include "staged.h"

#include <stdlib.h>
#include <string.h>

struct reader {
	struct staged_ranges *dirty;
	bool too_many;
};

static int add_extent(void *opaque, const struct qcow2bm_extent *extent)
{
	struct reader *reader = opaque;
	if (!extent->dirty)
		return 0;
	struct staged_ranges *dirty = reader->dirty;
	if (dirty->count == STAGED_MAX_RANGES)
		return reader->too_many = true;
	/* Powers of two are where the array is full. */
	if ((dirty->count & (dirty->count - 1)) == 0) {
		dirty->ranges = realloc(dirty->ranges,
					(dirty->count * 2 + 1) * sizeof(*dirty->ranges));
		if (dirty->ranges == NULL)
			abort();
	}
	dirty->ranges[dirty->count++] =
		(struct staged_range){extent->start, extent->start + extent->length};
	return 0;
}

bool staged_read(struct staged *staged, struct qcow2bm_image *image)
{
	struct qcow2bm_image_info info;
	memset(staged, 0, sizeof(*staged));
	info = *qcow2bm_image_describe(image);
	staged->virtual_bytes = info.virtual_bytes;
	/* An edit that is cut off may leave an extension that does not count. */
	if (!info.bitmaps_consistent)
		return true;
	if (qcow2bm_bitmap_count(image) > STAGED_MAX_BITMAPS)
		return false;
	bool all = true;
	for (size_t i = 0; i < qcow2bm_bitmap_count(image); i++) {
		struct staged_bitmap *bitmap = &staged->bitmaps[staged->count++];
		bool is_judged = qcow2bm_bitmap_judge(image, i, NULL, NULL) == QCOW2BM_OK;
		bitmap->entry = *qcow2bm_bitmap_describe(image, i);
		all = all && is_judged;
		bitmap->has_problem = bitmap->entry.problem != NULL;
		bitmap->entry.problem = NULL;
		bitmap->entry.name =
			fuzz_copy(bitmap->entry.name, bitmap->entry.name_bytes);
		bitmap->sources = (uint64_t)1 << i;
		struct reader reader = {.dirty = &bitmap->dirty};
		bitmap->code = qcow2bm_bitmap_extents(image, i, 0, UINT64_MAX,
						      QCOW2BM_READ_UNTRUSTED, add_extent,
						      &reader, NULL, NULL);
		if (bitmap->code != QCOW2BM_OK)
			bitmap->dirty.count = 0;
		all = all && !reader.too_many;
	}
	return all;
}

void staged_free(struct staged *staged)
{
	for (size_t i = 0; i < staged->count; i++) {
		free((char *)staged->bitmaps[i].entry.name);
		free(staged->bitmaps[i].dirty.ranges);
	}
	staged->count = 0;
}

struct staged_bitmap *staged_find(struct staged *staged, const char *name, size_t bytes)
{
	for (size_t i = 0; i < staged->count; i++) {
		struct staged_bitmap *bitmap = &staged->bitmaps[i];
		if (!bitmap->is_deleted && bitmap->entry.name_bytes == bytes &&
		    memcmp(bitmap->entry.name, name, bytes) == 0)
			return bitmap;
	}
	return NULL;
}

void staged_add(struct staged *staged, const char *name, size_t bytes,
		unsigned granularity_bits, bool enabled)
{
	struct staged_bitmap *bitmap = &staged->bitmaps[staged->count++];
	*bitmap = (struct staged_bitmap){
		.entry = {.granularity_bits = granularity_bits,
			  .state = enabled ? QCOW2BM_STATE_VALID : QCOW2BM_STATE_DISABLED,
			  .recording = enabled},
		.has_new_content = true,
	};
	staged_rename(bitmap, name, bytes);
}

void staged_rename(struct staged_bitmap *bitmap, const char *name, size_t bytes)
{
	char *copy = fuzz_copy(name, bytes);
	free((char *)bitmap->entry.name);
	bitmap->entry.name = copy;
	bitmap->entry.name_bytes = bytes;
}

static int by_start(const void *a, const void *b)
{
	const struct staged_range *x = a, *y = b;
	return (x->start > y->start) - (x->start < y->start);
}

/* Sorted, and what touches joined. */
static void join(struct staged_ranges *set)
{
	size_t count = 0;
	if (set->count > 1)
		qsort(set->ranges, set->count, sizeof(*set->ranges), by_start);
	for (size_t i = 0; i < set->count; i++) {
		struct staged_range *last = count == 0 ? NULL : &set->ranges[count - 1];
		if (last == NULL || set->ranges[i].start > last->end)
			set->ranges[count++] = set->ranges[i];
		else if (set->ranges[i].end > last->end)
			last->end = set->ranges[i].end;
	}
	set->count = count;
}

/* Whole granules, as far as the disk goes. */
static struct staged_range widen(struct staged_range range, unsigned granularity_bits,
				 uint64_t virtual_bytes)
{
	uint64_t below = ((uint64_t)1 << granularity_bits) - 1;
	range.start &= ~below;
	range.end = range.end > UINT64_MAX - below ? UINT64_MAX
						   : (range.end + below) & ~below;
	if (range.end > virtual_bytes)
		range.end = virtual_bytes;
	return range;
}

/* The union of the sources' ranges. */
static struct staged_ranges unite(const struct staged *staged,
				  const struct staged_bitmap *bitmap)
{
	struct staged_ranges set = {0};
	size_t room = 0;
	for (size_t i = 0; i < staged->count; i++)
		if (bitmap->sources >> i & 1)
			room += staged->bitmaps[i].dirty.count;
	set.ranges = malloc((room + 1) * sizeof(*set.ranges));
	if (set.ranges == NULL)
		abort();
	for (size_t i = 0; i < staged->count; i++)
		for (size_t k = 0;
		     (bitmap->sources >> i & 1) && k < staged->bitmaps[i].dirty.count;
		     k++)
			set.ranges[set.count++] = widen(
				staged->bitmaps[i].dirty.ranges[k],
				bitmap->entry.granularity_bits, staged->virtual_bytes);
	join(&set);
	return set;
}

void staged_carry_out(struct staged *staged)
{
	struct staged_ranges contents[STAGED_MAX_BITMAPS] = {{0}};
	for (size_t i = 0; i < staged->count; i++)
		if (staged->bitmaps[i].has_new_content)
			contents[i] = unite(staged, &staged->bitmaps[i]);
	size_t kept = 0;
	for (size_t i = 0; i < staged->count; i++) {
		struct staged_bitmap bitmap = staged->bitmaps[i];
		if (bitmap.has_new_content) {
			free(bitmap.dirty.ranges);
			bitmap.dirty = contents[i];
			bitmap.code = QCOW2BM_OK;
		}
		if (bitmap.is_deleted) {
			free((char *)bitmap.entry.name);
			free(bitmap.dirty.ranges);
		} else {
			staged->bitmaps[kept++] = bitmap;
		}
	}
	staged->count = kept;
}

/* NULL, or how they differ. */
static const char *find_difference(const struct staged_bitmap *a,
				   const struct staged_bitmap *b)
{
	if (a->entry.name_bytes != b->entry.name_bytes ||
	    memcmp(a->entry.name, b->entry.name, a->entry.name_bytes) != 0)
		return "name";
	if (a->entry.granularity_bits != b->entry.granularity_bits)
		return "granularity";
	if (a->entry.recording != b->entry.recording ||
	    a->entry.in_use != b->entry.in_use)
		return "flags";
	if (a->entry.extra_bytes != b->entry.extra_bytes)
		return "extra data";
	if (a->has_problem != b->has_problem)
		return "problem";
	if (!a->has_new_content && (a->entry.table_offset != b->entry.table_offset ||
				    a->entry.table_entries != b->entry.table_entries))
		return "table of one that was not named";
	if (a->may_be_lost)
		return NULL;
	if (a->code != b->code)
		return "whether the bits can be read";
	if (a->dirty.count != b->dirty.count ||
	    (a->dirty.count != 0 &&
	     memcmp(a->dirty.ranges, b->dirty.ranges,
		    a->dirty.count * sizeof(*a->dirty.ranges)) != 0))
		return "bits";
	return NULL;
}

void staged_compare(const struct staged *wanted, const struct staged *found,
		    const char *what)
{
	fuzz_require(wanted->count == found->count, "%s: %zu bitmaps instead of %zu",
		     what, found->count, wanted->count);
	for (size_t i = 0; i < wanted->count; i++) {
		const char *difference =
			find_difference(&wanted->bitmaps[i], &found->bitmaps[i]);
		fuzz_require(difference == NULL, "%s: bitmap %zu: wrong %s", what, i,
			     difference);
	}
}

bool staged_is_same(const struct staged *a, const struct staged *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (find_difference(&a->bitmaps[i], &b->bitmaps[i]) != NULL)
			return false;
	return true;
}
