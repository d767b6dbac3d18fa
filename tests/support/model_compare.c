/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Comparing an image with a model of its bitmaps. */
#include "model.h"
#include "copies.h"

#include <string.h>

static const char *compare_entry(const struct model_bitmap *bitmap,
				 const struct inspect_bitmap *entry)
{
	if (entry->name_bytes != bitmap->name_bytes ||
	    memcmp(entry->name, bitmap->name, entry->name_bytes) != 0)
		return "a name differs";
	if (entry->flags != bitmap->flags)
		return "flags differ";
	if (entry->granularity_bits != bitmap->granularity_bits)
		return "a granularity differs";
	if (entry->extra_bytes != bitmap->extra_bytes ||
	    (entry->extra_bytes != 0 &&
	     memcmp(entry->extra, bitmap->extra, entry->extra_bytes) != 0))
		return "extra data differs";
	return entry->bits != bitmap->bit_count ? "the number of bits differs" : NULL;
}

const char *model_compare(const struct model *model, const struct inspect *inspect)
{
	if (inspect->bitmap_count != model->count)
		return "the number of bitmaps differs";
	for (size_t i = 0; i < model->count; i++) {
		const char *problem =
			compare_entry(&model->bitmaps[i], &inspect->bitmaps[i]);
		if (problem != NULL)
			return problem;
		for (uint64_t bit = 0; bit < model->bitmaps[i].bit_count; bit++)
			if (inspect_bit(inspect, &inspect->bitmaps[i], bit) !=
			    model->bitmaps[i].bits[bit])
				return "a bit differs";
	}
	return NULL;
}

/* The extents come in order, without gaps, clean and dirty in turn. */
struct extents {
	const struct model_bitmap *bitmap;
	uint64_t at;
	uint64_t dirty_bytes;
	int last; /* -1 at first */
	const char *problem;
};

static int check_extent(void *opaque, const struct qcow2bm_extent *extent)
{
	struct extents *extents = opaque;
	unsigned shift = extents->bitmap->granularity_bits;
	if (extent->start != extents->at || extent->length == 0)
		extents->problem = "extents have a gap";
	if (extents->last == extent->dirty)
		extents->problem = "two extents of one kind follow each other";
	extents->last = extent->dirty;
	extents->at = extent->start + extent->length;
	extents->dirty_bytes += extent->dirty ? extent->length : 0;
	for (uint64_t bit = extent->start >> shift;
	     extents->problem == NULL && bit <= (extents->at - 1) >> shift; bit++)
		if (extents->bitmap->bits[bit] != extent->dirty)
			extents->problem = "an extent differs";
	return extents->problem != NULL;
}

static const char *compare_bits(const struct model_bitmap *bitmap, uint64_t virtual_bytes,
				struct qcow2bm_image *image, size_t idx)
{
	struct extents extents = {.bitmap = bitmap, .last = -1};
	struct qcow2bm_measure measure;
	enum qcow2bm_code code =
		qcow2bm_bitmap_extents(image, idx, 0, UINT64_MAX, QCOW2BM_READ_UNTRUSTED,
				       check_extent, &extents, NULL, NULL);
	if (extents.problem != NULL)
		return extents.problem;
	if (code != QCOW2BM_OK)
		return "the extents cannot be read";
	if (extents.at != virtual_bytes)
		return "the extents do not reach to the end of the disk";
	if (measure_copied(image, idx, QCOW2BM_READ_COUNT | QCOW2BM_READ_UNTRUSTED,
			   &measure, NULL, NULL) != QCOW2BM_OK)
		return "the bitmap cannot be measured";
	return measure.dirty_bytes != extents.dirty_bytes ? "dirty bytes differ" : NULL;
}

static enum qcow2bm_state expected_state(const struct model_bitmap *bitmap)
{
	if (bitmap->extra_bytes != 0 && !(bitmap->flags & BUILD_FLAG_EXTRA_COMPATIBLE))
		return QCOW2BM_STATE_CORRUPT;
	if (model_is_corrupt(bitmap))
		return QCOW2BM_STATE_CORRUPT;
	if (bitmap->flags & BUILD_FLAG_IN_USE)
		return QCOW2BM_STATE_IN_USE_STALE;
	return bitmap->flags & BUILD_FLAG_AUTO ? QCOW2BM_STATE_VALID
					       : QCOW2BM_STATE_DISABLED;
}

const char *model_compare_library(const struct model *model, struct qcow2bm_image *image)
{
	if (qcow2bm_bitmap_count(image) != model->count)
		return "qcow2bm_bitmap_count() differs";
	if (qcow2bm_bitmap_judge(image, QCOW2BM_NOT_FOUND, NULL, NULL) != QCOW2BM_OK)
		return "the bitmaps cannot be judged";
	for (size_t i = 0; i < model->count; i++) {
		const struct model_bitmap *bitmap = &model->bitmaps[i];
		struct qcow2bm_bitmap described = *qcow2bm_bitmap_describe(image, i);
		if (described.name_bytes != bitmap->name_bytes ||
		    memcmp(described.name, bitmap->name, bitmap->name_bytes) != 0)
			return "qcow2bm_bitmap_describe() has another name";
		if (qcow2bm_bitmap_find(image, bitmap->name, bitmap->name_bytes) != i)
			return "qcow2bm_bitmap_find() finds another";
		if (described.granularity_bits != bitmap->granularity_bits ||
		    described.extra_bytes != bitmap->extra_bytes ||
		    described.state != expected_state(bitmap))
			return "qcow2bm_bitmap_describe() differs";
		const char *problem =
			compare_bits(bitmap, model->virtual_bytes, image, i);
		if (problem != NULL)
			return problem;
	}
	return NULL;
}
