/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an image's bitmaps should be, as plain memory: one byte for each bit. */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include "build_image.h"
#include "inspect_image.h"
#include "qcow2bm.h"

#define MODEL_MAX_BITMAPS 24

struct model_bitmap {
	const char *name; /* lives longer than the model */
	size_t name_bytes;
	uint32_t flags;
	unsigned granularity_bits;
	const uint8_t *extra;
	uint32_t extra_bytes;
	uint64_t bit_count;
	uint8_t *bits;
};

struct model {
	uint64_t virtual_bytes;
	struct model_bitmap bitmaps[MODEL_MAX_BITMAPS];
	size_t count;
};

/* Copies the model to stage an edit on the copy. */
void model_stage(struct model *to, const struct model *from);

void model_free(struct model *model);
struct model_bitmap *model_find(struct model *model, const char *name, size_t name_bytes);

/* Appends an empty bitmap without any check. */
struct model_bitmap *model_append(struct model *model, const char *name,
				  size_t name_bytes, unsigned granularity_bits,
				  uint32_t flags);

/* The operations, with the code that the library should return. After another than
 * QCOW2BM_OK the model is as it was. */
enum qcow2bm_code model_add(struct model *model, const char *name, size_t name_bytes,
			    unsigned granularity_bits, bool enabled);
enum qcow2bm_code model_delete(struct model *model, const char *name, size_t name_bytes);
enum qcow2bm_code model_rename(struct model *model, const char *name, size_t name_bytes,
			       const char *new_name, size_t new_name_bytes);
enum qcow2bm_code model_clear(struct model *model, const char *name, size_t name_bytes);
enum qcow2bm_code model_enable(struct model *model, const char *name, size_t name_bytes,
			       bool enabled);
enum qcow2bm_code model_merge(struct model *model, const char *name, size_t name_bytes,
			      const char *source, size_t source_bytes);
enum qcow2bm_code model_merge_other(struct model *model, const char *name,
				    size_t name_bytes, struct model *other,
				    const char *source, size_t source_bytes);

/* Whether the two models have the same bitmaps in the same order. */
bool model_is_same(const struct model *a, const struct model *b);

/* Whether an entry of the model is one that QEMU opens no image with. */
bool model_is_corrupt(const struct model_bitmap *bitmap);

/* NULL, or how the image differs from the model: as the tests read it, and as the library
 * does through its public functions. */
const char *model_compare(const struct model *model, const struct inspect *inspect);
const char *model_compare_library(const struct model *model, struct qcow2bm_image *image);

#endif
