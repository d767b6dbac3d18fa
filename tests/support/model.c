/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bitmaps of an image as plain memory, and the operations on them. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NAME_BYTES 1023
#define MIN_GRANULARITY_BITS 9
#define MAX_GRANULARITY_BITS 31

void model_stage(struct model *to, const struct model *from)
{
	*to = *from;
	for (size_t i = 0; i < to->count; i++) {
		size_t bytes = (size_t)to->bitmaps[i].bit_count;
		to->bitmaps[i].bits = malloc(bytes + 1);
		if (to->bitmaps[i].bits == NULL)
			abort();
		memcpy(to->bitmaps[i].bits, from->bitmaps[i].bits, bytes);
	}
}

void model_free(struct model *model)
{
	for (size_t i = 0; i < model->count; i++)
		free(model->bitmaps[i].bits);
	model->count = 0;
}

struct model_bitmap *model_find(struct model *model, const char *name, size_t name_bytes)
{
	for (size_t i = 0; i < model->count; i++)
		if (model->bitmaps[i].name_bytes == name_bytes &&
		    memcmp(model->bitmaps[i].name, name, name_bytes) == 0)
			return &model->bitmaps[i];
	return NULL;
}

struct model_bitmap *model_append(struct model *model, const char *name,
				  size_t name_bytes, unsigned granularity_bits,
				  uint32_t flags)
{
	struct model_bitmap *bitmap = &model->bitmaps[model->count++];
	if (model->count > MODEL_MAX_BITMAPS)
		abort();
	*bitmap = (struct model_bitmap){
		.name = name,
		.name_bytes = name_bytes,
		.granularity_bits = granularity_bits,
		.flags = flags,
		.bit_count = build_bits(model->virtual_bytes, granularity_bits),
	};
	bitmap->bits = calloc((size_t)bitmap->bit_count + 1, 1);
	if (bitmap->bits == NULL)
		abort();
	return bitmap;
}

bool model_is_corrupt(const struct model_bitmap *bitmap)
{
	return bitmap->granularity_bits < 9 || bitmap->granularity_bits > 31 ||
	       (bitmap->extra_bytes == 0 &&
		(bitmap->flags & BUILD_FLAG_EXTRA_COMPATIBLE));
}

static enum qcow2bm_code check_usable(const struct model_bitmap *bitmap)
{
	if (bitmap == NULL)
		return QCOW2BM_ENOTFOUND;
	if (bitmap->extra_bytes != 0 && !(bitmap->flags & BUILD_FLAG_EXTRA_COMPATIBLE))
		return QCOW2BM_EUNSUPPORTED;
	if (model_is_corrupt(bitmap))
		return QCOW2BM_EIMAGE;
	return bitmap->flags & BUILD_FLAG_IN_USE ? QCOW2BM_EINUSE : QCOW2BM_OK;
}

static enum qcow2bm_code check_new_name(struct model *model, const char *name,
					size_t name_bytes)
{
	if (name_bytes == 0 || name_bytes > MAX_NAME_BYTES ||
	    memchr(name, 0, name_bytes) != NULL)
		return QCOW2BM_EINVAL;
	return model_find(model, name, name_bytes) != NULL ? QCOW2BM_EEXIST : QCOW2BM_OK;
}

enum qcow2bm_code model_add(struct model *model, const char *name, size_t name_bytes,
			    unsigned granularity_bits, bool enabled)
{
	enum qcow2bm_code code = check_new_name(model, name, name_bytes);
	if (code != QCOW2BM_OK)
		return code;
	if (granularity_bits < MIN_GRANULARITY_BITS ||
	    granularity_bits > MAX_GRANULARITY_BITS)
		return QCOW2BM_EINVAL;
	model_append(model, name, name_bytes, granularity_bits,
		     enabled ? BUILD_FLAG_AUTO : 0);
	return QCOW2BM_OK;
}

enum qcow2bm_code model_delete(struct model *model, const char *name, size_t name_bytes)
{
	struct model_bitmap *bitmap = model_find(model, name, name_bytes);
	enum qcow2bm_code code = check_usable(bitmap);
	if (code != QCOW2BM_OK && code != QCOW2BM_EIMAGE && code != QCOW2BM_EINUSE)
		return code;
	free(bitmap->bits);
	size_t behind = model->count - 1 - (size_t)(bitmap - model->bitmaps);
	memmove(bitmap, bitmap + 1, behind * sizeof(*bitmap));
	model->count--;
	return QCOW2BM_OK;
}

enum qcow2bm_code model_rename(struct model *model, const char *name, size_t name_bytes,
			       const char *new_name, size_t new_name_bytes)
{
	struct model_bitmap *bitmap = model_find(model, name, name_bytes);
	enum qcow2bm_code code = check_usable(bitmap);
	if (code == QCOW2BM_OK && name_bytes == new_name_bytes &&
	    memcmp(name, new_name, name_bytes) == 0)
		return QCOW2BM_OK;
	if (code == QCOW2BM_OK)
		code = check_new_name(model, new_name, new_name_bytes);
	if (code == QCOW2BM_OK) {
		bitmap->name = new_name;
		bitmap->name_bytes = new_name_bytes;
	}
	return code;
}

enum qcow2bm_code model_clear(struct model *model, const char *name, size_t name_bytes)
{
	struct model_bitmap *bitmap = model_find(model, name, name_bytes);
	enum qcow2bm_code code = check_usable(bitmap);
	if (code == QCOW2BM_OK)
		memset(bitmap->bits, 0, (size_t)bitmap->bit_count);
	return code;
}

enum qcow2bm_code model_enable(struct model *model, const char *name, size_t name_bytes,
			       bool enabled)
{
	struct model_bitmap *bitmap = model_find(model, name, name_bytes);
	enum qcow2bm_code code = check_usable(bitmap);
	if (code != QCOW2BM_OK)
		return code;
	bitmap->flags &= ~BUILD_FLAG_AUTO;
	if (enabled)
		bitmap->flags |= BUILD_FLAG_AUTO;
	return QCOW2BM_OK;
}

/* Sets every bit that stands for a byte that is dirty in `from`. */
static void add_bits(struct model_bitmap *to, const struct model_bitmap *from,
		     uint64_t virtual_bytes)
{
	for (uint64_t bit = 0; bit < from->bit_count; bit++) {
		if (!from->bits[bit])
			continue;
		uint64_t start = bit << from->granularity_bits;
		uint64_t bytes = (uint64_t)1 << from->granularity_bits;
		if (bytes > virtual_bytes - start)
			bytes = virtual_bytes - start;
		uint64_t last = (start + bytes - 1) >> to->granularity_bits;
		for (uint64_t i = start >> to->granularity_bits; i <= last; i++)
			to->bits[i] = 1;
	}
}

static enum qcow2bm_code merge(struct model *model, struct model_bitmap *to,
			       const struct model_bitmap *from)
{
	enum qcow2bm_code code = check_usable(to);
	if (code == QCOW2BM_OK)
		code = check_usable(from);
	if (code == QCOW2BM_OK)
		add_bits(to, from, model->virtual_bytes);
	return code;
}

enum qcow2bm_code model_merge(struct model *model, const char *name, size_t name_bytes,
			      const char *source, size_t source_bytes)
{
	return model_merge_other(model, name, name_bytes, model, source, source_bytes);
}

enum qcow2bm_code model_merge_other(struct model *model, const char *name,
				    size_t name_bytes, struct model *other,
				    const char *source, size_t source_bytes)
{
	return merge(model, model_find(model, name, name_bytes),
		     model_find(other, source, source_bytes));
}

static bool is_same_bitmap(const struct model_bitmap *a, const struct model_bitmap *b)
{
	return a->name_bytes == b->name_bytes &&
	       memcmp(a->name, b->name, a->name_bytes) == 0 && a->flags == b->flags &&
	       a->granularity_bits == b->granularity_bits &&
	       memcmp(a->bits, b->bits, (size_t)a->bit_count) == 0;
}

bool model_is_same(const struct model *a, const struct model *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!is_same_bitmap(&a->bitmaps[i], &b->bitmaps[i]))
			return false;
	return true;
}
