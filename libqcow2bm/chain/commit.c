/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bitmaps of a layer, while what the layers above it hold is copied into it, and afterwards. */
#include "../base/error.h"
#include "../edit/edit.h"
#include "commit.h"
#include "marking.h"
#include "union.h"

#define NONE QCOW2BM_NOT_FOUND

static enum qcow2bm_code check_layer(const struct qcow2bm_chain *chain, size_t base,
				     struct qcow2bm_error *err)
{
	if (base == 0 || base >= chain->layer_count)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "there is no layer of this number below the top");
	const struct q2_layer *layer = &chain->layers[base];
	if (layer->image == NULL || layer->image->header.version < 3)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "'%.200s' can hold no bitmaps", layer->filename);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_commit_check_top(const struct qcow2bm_chain *chain,
				      struct qcow2bm_error *err)
{
	if (chain->order.scheme == QCOW2BM_SCHEME_UNKNOWN)
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the scheme of the checkpoints is not known: none records");
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		if (q2_stage_is_recording(&chain->checkpoints[i], 0))
			return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
		       "no bitmap records in the top layer");
}

/* The lowest layer from the top down to `base` that has a bitmap of it; 0: none below the top has. */
static size_t find_lowest(const struct q2_checkpoint *it, size_t base)
{
	while (base > 0 && it->bitmaps[base] == NONE)
		base--;
	return base;
}

/* ORs the bits of a layer's bitmap, as they are committed, into that of another layer; none stands for
 * less than 1 << least_bits bytes. */
static enum qcow2bm_code add_bits(struct qcow2bm_chain *chain,
				  const struct q2_checkpoint *it, size_t into,
				  size_t from, unsigned least_bits,
				  struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = chain->layers[from].image;
	struct q2_edit_source source = {.image = image, .idx = it->bitmaps[from]};
	const struct q2_bitmap *bitmap = q2_layers_bitmap(chain, it, from);
	struct qcow2bm_error why = {0};
	struct qcow2bm_edit *edit;
	enum qcow2bm_code code = q2_stage_edit(chain, into, &edit, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_edit_check_usable(image, it->bitmaps[from],
				    (const char *)bitmap->entry.name,
				    bitmap->entry.name_bytes, &why);
	if (code != QCOW2BM_OK)
		return q2_stage_blame(chain, from, err, &why);
	struct q2_staged *staged =
		q2_edit_find(edit, it->staged[into].bytes, it->staged[into].count);
	if (least_bits <= bitmap->entry.granularity_bits ||
	    least_bits <= staged->granularity_bits)
		return q2_edit_add_bitmap(edit, staged, image, it->bitmaps[from], err);
	source.passed_bits = (uint8_t)least_bits;
	return q2_edit_add_source(staged, &source, err);
}

/* What lies behind the end of a smaller layer counted as changed, as long as it had the bitmap. */
static enum qcow2bm_code add_behind(struct qcow2bm_chain *chain,
				    const struct q2_checkpoint *it, size_t lowest,
				    struct qcow2bm_error *err)
{
	struct qcow2bm_edit *edit = chain->layers[0].edit;
	const struct q2_edit_source behind = {
		.image = edit->image,
		.kind = Q2_SOURCE_BEHIND,
		.from_bytes = q2_union_changed_from(chain, lowest),
	};
	if (behind.from_bytes >= chain->layers[0].virtual_bytes)
		return QCOW2BM_OK;
	return q2_edit_add_source(
		q2_edit_find(edit, it->staged[0].bytes, it->staged[0].count), &behind,
		err);
}

enum qcow2bm_code q2_commit_gather(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				   size_t deepest, struct qcow2bm_error *err)
{
	size_t lowest = find_lowest(it, deepest);
	enum qcow2bm_code code = QCOW2BM_OK;
	if (lowest == 0 || (!q2_stage_has(it, 0) && !q2_layers_is_delta(chain)))
		return QCOW2BM_OK;
	if (!q2_stage_has(it, 0))
		code = q2_stage_add(chain, it, 0, false, err);
	for (size_t layer = 1; code == QCOW2BM_OK && layer <= lowest; layer++)
		if (it->bitmaps[layer] != NONE)
			code = add_bits(chain, it, 0, layer, 0, err);
	return code == QCOW2BM_OK ? add_behind(chain, it, lowest, err) : code;
}

static enum qcow2bm_code lift_one(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				  size_t base, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_commit_gather(chain, it, base, err);
	if (code == QCOW2BM_OK && q2_stage_has(it, base))
		code = q2_stage_drop(chain, it, base, err);
	return code;
}

/* Both are opened before a source names one of them: opening anew would close it. */
static enum qcow2bm_code open_both(struct qcow2bm_chain *chain, size_t base,
				   struct qcow2bm_error *err)
{
	struct qcow2bm_edit *edit;
	enum qcow2bm_code code = q2_stage_begin(chain, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_edit(chain, 0, &edit, err);
	return code == QCOW2BM_OK ? q2_stage_edit(chain, base, &edit, err) : code;
}

static bool has_lower(const struct qcow2bm_chain *chain, size_t base)
{
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		for (size_t layer = base + 1; layer < chain->layer_count; layer++)
			if (chain->checkpoints[i].bitmaps[layer] != NONE)
				return true;
	return false;
}

enum qcow2bm_code qcow2bm_chain_lift(struct qcow2bm_chain *chain, size_t layer_idx,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = check_layer(chain, layer_idx, err);
	if (code == QCOW2BM_OK &&
	    chain->layers[layer_idx].virtual_bytes > chain->layers[0].virtual_bytes)
		code = q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the disk is smaller than '%.200s'",
			       chain->layers[layer_idx].filename);
	if (code == QCOW2BM_OK)
		code = open_both(chain, layer_idx, err);
	if (code == QCOW2BM_OK)
		code = q2_commit_check_top(chain, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++)
		code = lift_one(chain, &chain->checkpoints[i], layer_idx, err);
	/* Layers above and below the layer have bitmaps then, and it has none. */
	return code == QCOW2BM_OK && has_lower(chain, layer_idx)
		       ? q2_marking_add(chain, layer_idx, err)
		       : code;
}

/* A layer that has bitmaps may have recorded what was copied into it. */
static enum qcow2bm_code check_lifted(const struct qcow2bm_chain *chain, size_t base,
				      struct qcow2bm_error *err)
{
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		if (chain->checkpoints[i].bitmaps[base] != NONE)
			return q2_fail(
				err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
				"'%.200s' has bitmaps, which were to be moved up before "
				"the data was copied",
				chain->layers[base].filename);
	if (chain->layers[base].virtual_bytes == chain->layers[0].virtual_bytes)
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
		       "'%.200s' is not as large as the disk: the data was not copied",
		       chain->layers[base].filename);
}

/* Where layers below have checkpoints, a cluster that the layer holds and that is clean looks like a
 * lost change: larger clusters were copied into it whole. 0: it does not matter. */
static unsigned find_least_bits(const struct qcow2bm_chain *chain, size_t base)
{
	unsigned least_bits = 0;
	for (size_t layer = 0; has_lower(chain, base) && layer < base; layer++)
		if (chain->layers[layer].image->header.cluster_bits > least_bits)
			least_bits = chain->layers[layer].image->header.cluster_bits;
	return least_bits > chain->layers[base].image->header.cluster_bits ? least_bits
									   : 0;
}

static enum qcow2bm_code lower_one(struct qcow2bm_chain *chain, struct q2_checkpoint *it,
				   size_t base, unsigned least_bits,
				   struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_stage_add(chain, it, base, q2_stage_is_recording(it, 0), err);
	if (code == QCOW2BM_OK)
		code = add_bits(chain, it, base, 0, least_bits, err);
	return code == QCOW2BM_OK ? q2_stage_drop(chain, it, 0, err) : code;
}

enum qcow2bm_code qcow2bm_chain_lower(struct qcow2bm_chain *chain, size_t layer_idx,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code = check_layer(chain, layer_idx, err);
	if (code == QCOW2BM_OK)
		code = check_lifted(chain, layer_idx, err);
	if (code == QCOW2BM_OK)
		code = open_both(chain, layer_idx, err);
	if (code != QCOW2BM_OK)
		return code;
	unsigned least_bits = find_least_bits(chain, layer_idx);
	code = q2_commit_check_top(chain, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++)
		if (q2_stage_has(&chain->checkpoints[i], 0))
			code = lower_one(chain, &chain->checkpoints[i], layer_idx,
					 least_bits, err);
	return code == QCOW2BM_OK ? q2_marking_remove(chain, layer_idx, err) : code;
}
