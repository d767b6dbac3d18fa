/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether each layer of a disk tells what was written to it since a checkpoint. */
#include "../base/checked.h"
#include "../base/error.h"
#include "flaws.h"
#include "order.h"

#include <stdlib.h>

#define NONE QCOW2BM_NOT_FOUND

/* What is asked for each of many checkpoints. */
struct coverage {
	const struct qcow2bm_chain *chain;
	size_t *newest; /* by layer: the newest checkpoint that it has, or NONE */
	size_t *lowest; /* by checkpoint: the lowest layer that has it or a newer one */
	bool *is_told;  /* by layer: that it can hold no bitmaps */
	bool is_union,
		any_order; /* what changed since X are X and all newer ones, or all */
};

static size_t lowest_layer(const struct qcow2bm_chain *chain, size_t idx)
{
	size_t layer = chain->layer_count - 1;
	while (layer > 0 && chain->checkpoints[idx].bitmaps[layer] == NONE)
		layer--;
	return layer;
}

static void prepare(struct coverage *coverage)
{
	const struct qcow2bm_chain *chain = coverage->chain;
	enum qcow2bm_scheme scheme = chain->order.scheme;
	coverage->is_union =
		chain->checkpoint_count > 1 && scheme != QCOW2BM_SCHEME_NESTED;
	coverage->any_order = coverage->is_union && chain->order.gap != NULL;
	for (size_t layer = 0; layer < chain->layer_count; layer++)
		coverage->newest[layer] = NONE;
	size_t below = 0;
	for (size_t i = chain->checkpoint_count; i-- > 0;) {
		size_t own = lowest_layer(chain, i);
		below = coverage->is_union && below > own ? below : own;
		coverage->lowest[i] = below;
		for (size_t layer = 0; layer < chain->layer_count; layer++)
			if (coverage->newest[layer] == NONE &&
			    chain->checkpoints[i].bitmaps[layer] != NONE)
				coverage->newest[layer] = i;
	}
}

/* Whether it tells all by itself. */
static bool is_alone(const struct coverage *coverage, size_t idx)
{
	return !coverage->is_union ||
	       (coverage->any_order && q2_scheme_is_newest(coverage->chain, idx));
}

static bool is_covered(const struct coverage *coverage, size_t idx, size_t layer,
		       bool alone)
{
	size_t newest = coverage->newest[layer];
	if (coverage->chain->layers[layer].is_lifted)
		return true;
	if (alone)
		return coverage->chain->checkpoints[idx].bitmaps[layer] != NONE;
	return newest != NONE && (coverage->any_order || newest >= idx);
}

static bool can_hold(const struct q2_layer *layer)
{
	return layer->image != NULL && layer->image->header.version >= 3;
}

static void add_missing(struct qcow2bm_findings *findings, size_t idx, size_t layer)
{
	const struct qcow2bm_chain *chain = findings->chain;
	const struct q2_checkpoint *checkpoint = &chain->checkpoints[idx];
	struct q2_place place = q2_place(layer, idx);
	if (layer == 0)
		q2_flaws_add(
			findings, Q2_FLAW_NOT_IN_TOP, place,
			"the top layer has no bitmap that tells what was written to it since "
			"'%.*s', as a lower one has",
			q2_place_shown(checkpoint), checkpoint->name);
	else
		q2_flaws_add(
			findings, Q2_FLAW_GAP, place,
			"this layer has no bitmap that tells what was written to it since "
			"'%.*s', as layers above and below have",
			q2_place_shown(checkpoint), checkpoint->name);
}

/* Said once for a layer, whatever checkpoints it should have. */
static void add_holds_none(struct coverage *coverage, struct qcow2bm_findings *findings,
			   size_t layer)
{
	const struct qcow2bm_image *image = coverage->chain->layers[layer].image;
	if (coverage->is_told[layer])
		return;
	coverage->is_told[layer] = true;
	q2_flaws_add(
		findings, Q2_FLAW_HOLDS_NONE, q2_place(layer, NONE),
		"this layer can hold no bitmaps, being %s, and stands on one that does",
		image == NULL ? "raw" : "qcow2 of version 2");
}

static void verify_one(struct coverage *coverage, struct qcow2bm_findings *findings,
		       size_t idx)
{
	const struct qcow2bm_chain *chain = coverage->chain;
	bool alone = is_alone(coverage, idx);
	size_t lowest = alone                 ? lowest_layer(chain, idx)
			: coverage->any_order ? coverage->lowest[0]
					      : coverage->lowest[idx];
	for (size_t layer = 0; layer < lowest; layer++) {
		if (is_covered(coverage, idx, layer, alone))
			continue;
		if (can_hold(&chain->layers[layer]))
			add_missing(findings, idx, layer);
		else
			add_holds_none(coverage, findings, layer);
	}
}

static void verify_granularity(struct qcow2bm_findings *findings, size_t idx)
{
	const struct qcow2bm_chain *chain = findings->chain;
	const struct q2_checkpoint *checkpoint = &chain->checkpoints[idx];
	const struct q2_bitmap *above = NULL;
	for (size_t layer = 0; layer < chain->layer_count; layer++) {
		const struct q2_bitmap *bitmap =
			q2_layers_bitmap(chain, checkpoint, layer);
		if (bitmap == NULL || bitmap->problem != NULL)
			continue;
		if (above != NULL &&
		    bitmap->entry.granularity_bits != above->entry.granularity_bits) {
			q2_flaws_add(
				findings, Q2_FLAW_GRANULARITY, q2_place(layer, idx),
				"its granularity is 2^%u bytes here, and 2^%u in the layer above: "
				"QEMU merges them, with more dirty at most",
				bitmap->entry.granularity_bits,
				above->entry.granularity_bits);
			return;
		}
		above = bitmap;
	}
}

/* Layers that were the top before the disk was resized. */
static void verify_sizes(const struct coverage *coverage,
			 struct qcow2bm_findings *findings)
{
	const struct qcow2bm_chain *chain = coverage->chain;
	uint64_t top = chain->layers[0].virtual_bytes;
	for (size_t layer = 1; layer < chain->layer_count; layer++)
		if (coverage->newest[layer] != NONE &&
		    chain->layers[layer].virtual_bytes != top)
			q2_flaws_add(
				findings, Q2_FLAW_SIZE, q2_place(layer, NONE),
				"this layer has %llu bytes of the disk, which has %llu now: QEMU merges "
				"no bitmaps of different size, we do",
				(unsigned long long)chain->layers[layer].virtual_bytes,
				(unsigned long long)top);
}

enum qcow2bm_code q2_coverage_verify(struct qcow2bm_findings *findings,
				     struct qcow2bm_error *err)
{
	const struct qcow2bm_chain *chain = findings->chain;
	struct coverage coverage = {
		.chain = chain,
		.newest = calloc(chain->layer_count, sizeof(size_t)),
		.lowest = calloc(chain->checkpoint_count + 1, sizeof(size_t)),
		.is_told = calloc(chain->layer_count, sizeof(bool)),
	};
	enum qcow2bm_code code = QCOW2BM_OK;
	if (coverage.newest == NULL || coverage.lowest == NULL ||
	    coverage.is_told == NULL) {
		code = q2_fail_memory(err, "the layers of checkpoints");
	} else {
		prepare(&coverage);
		for (size_t i = 0; i < chain->checkpoint_count; i++) {
			verify_one(&coverage, findings, i);
			verify_granularity(findings, i);
		}
		verify_sizes(&coverage, findings);
	}
	free(coverage.newest);
	free(coverage.lowest);
	free(coverage.is_told);
	return code;
}
