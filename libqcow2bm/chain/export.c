/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changed since a checkpoint, over all layers, as one bitmap of a new overlay. */
#include "../base/error.h"
#include "../edit/edit.h"
#include "../edit/overlay.h"
#include "../storage/storage.h"
#include "union.h"

/* The finest granularity of the bitmaps, and the lowest layer that has one. */
static void look(const struct qcow2bm_chain *chain, const struct qcow2bm_since *since,
		 unsigned *granularity_bits, size_t *lowest)
{
	*lowest = 0;
	*granularity_bits = Q2_DIRECTORY_MAX_GRANULARITY_BITS;
	for (size_t i = since->first; i < since->first + since->count; i++)
		for (size_t layer = 0; layer < chain->layer_count; layer++) {
			const struct q2_bitmap *bitmap =
				q2_layers_bitmap(chain, &chain->checkpoints[i], layer);
			if (bitmap == NULL)
				continue;
			if (layer > *lowest)
				*lowest = layer;
			if (bitmap->entry.granularity_bits < *granularity_bits)
				*granularity_bits = bitmap->entry.granularity_bits;
		}
}

/* The bitmaps of all layers, and what lies behind the end of a smaller one. */
static enum qcow2bm_code add_sources(struct qcow2bm_edit *edit, struct q2_staged *staged,
				     const struct qcow2bm_chain *chain,
				     const struct qcow2bm_since *since, size_t lowest,
				     struct qcow2bm_error *err)
{
	const struct q2_edit_source behind = {
		.image = edit->image,
		.kind = Q2_SOURCE_BEHIND,
		.from_bytes = q2_union_changed_from(chain, lowest),
	};
	enum qcow2bm_code code = QCOW2BM_OK;
	if (behind.from_bytes < chain->layers[0].virtual_bytes)
		code = q2_edit_add_source(staged, &behind, err);
	for (size_t i = since->first; i < since->first + since->count; i++)
		for (size_t layer = 0; layer < chain->layer_count; layer++) {
			size_t idx = chain->checkpoints[i].bitmaps[layer];
			if (idx != QCOW2BM_NOT_FOUND && code == QCOW2BM_OK)
				code = q2_edit_add_bitmap(edit, staged,
							  chain->layers[layer].image, idx,
							  err);
		}
	return code;
}

/* Adds the bitmap to the new overlay, all of it in one edit. */
static enum qcow2bm_code add_bitmap(const struct qcow2bm_chain *chain, const char *path,
				    const struct qcow2bm_since *since, const char *name,
				    size_t name_bytes, const struct qcow2bm_watch *watch,
				    struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = NULL;
	struct qcow2bm_edit *edit = NULL;
	unsigned granularity_bits;
	size_t lowest;
	look(chain, since, &granularity_bits, &lowest);
	unsigned flags =
		QCOW2BM_OPEN_WRITE | (chain->options.flags & QCOW2BM_OPEN_NO_LOCK);
	enum qcow2bm_code code = qcow2bm_image_open(&image, path, flags, 0, NULL, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_begin(&edit, image, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_add(edit, name, name_bytes, granularity_bits, false,
					err);
	if (code == QCOW2BM_OK)
		code = add_sources(edit, q2_edit_find(edit, name, name_bytes), chain,
				   since, lowest, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_commit(edit, NULL, NULL, watch, err);
	qcow2bm_edit_end(edit);
	qcow2bm_image_close(image);
	return code;
}

enum qcow2bm_code qcow2bm_chain_export(struct qcow2bm_chain *chain, size_t idx,
				       const char *overlay, const char *backing_name,
				       const char *name, size_t name_bytes,
				       const struct qcow2bm_watch *watch,
				       struct qcow2bm_error *err)
{
	const struct qcow2bm_since *since;
	enum qcow2bm_code code = qcow2bm_chain_explain(chain, idx, &since, err);
	if (code == QCOW2BM_OK && since->verdict != QCOW2BM_VERDICT_INCREMENTAL)
		return q2_fail(err, QCOW2BM_EINUSE, QCOW2BM_NO_OFFSET,
			       "what changed since is not known: %s", since->reason);
	if (code == QCOW2BM_OK)
		code = q2_overlay_create(overlay, chain->layers[0].virtual_bytes,
					 backing_name, err);
	if (code != QCOW2BM_OK)
		return code;
	code = add_bitmap(chain, overlay, since, name, name_bytes, watch, err);
	if (code != QCOW2BM_OK)
		(void)q2_file_remove(overlay, NULL);
	return code;
}
