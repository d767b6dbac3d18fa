/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ORing bitmaps of layers that differ in size and granularity, a window of the disk at a time. */
#include "union.h"

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../bits/or.h"
#include "../clusters/soundness.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_WORDS (Q2_UNION_WINDOW_BITS / 64)

static enum qcow2bm_code admit(const struct q2_layer *layer, size_t idx, unsigned flags,
			       struct qcow2bm_error *err)
{
	const struct q2_directory_entry *entry =
		&layer->image->directory.bitmaps[idx].entry;
	if (flags & Q2_UNION_UNTRUSTED)
		return q2_soundness_admit(layer->image, idx, QCOW2BM_READ_UNTRUSTED, true,
					  err);
	if (entry->flags & Q2_DIRECTORY_FLAG_IN_USE)
		return q2_fail(
			err, QCOW2BM_EINUSE, QCOW2BM_NO_OFFSET,
			"bitmap '%.*s' of '%.200s' is marked in-use: changes may be "
			"missing from it",
			entry->name_bytes > 200 ? 200 : (int)entry->name_bytes,
			entry->name, layer->filename);
	return q2_soundness_admit(layer->image, idx, 0, true, err);
}

static enum qcow2bm_code add(struct q2_union *u, struct qcow2bm_chain *chain,
			     const struct qcow2bm_layer_bitmap *bitmap, unsigned flags,
			     struct qcow2bm_error *err)
{
	const struct q2_layer *layer = bitmap->layer_idx < chain->layer_count
					       ? &chain->layers[bitmap->layer_idx]
					       : NULL;
	if (layer == NULL || layer->image == NULL ||
	    bitmap->idx >= layer->image->directory.count)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "there is no bitmap of this number in this layer");
	struct qcow2bm_error why = {0};
	enum qcow2bm_code code = admit(layer, bitmap->idx, flags, &why);
	if (code == QCOW2BM_OK)
		code = q2_source_open_bitmap(&u->sources[u->count], layer->image,
					     bitmap->idx, &why);
	u->count += code == QCOW2BM_OK;
	return code == QCOW2BM_OK ? code
				  : q2_layers_blame(chain, bitmap->layer_idx, err, &why);
}

/* Behind the end of the smallest layer from the top down to the lowest that has a bitmap. */
uint64_t q2_union_changed_from(const struct qcow2bm_chain *chain, size_t lowest)
{
	uint64_t end = chain->layers[0].virtual_bytes;
	for (size_t i = 1; i <= lowest; i++)
		end = q2_min_u64(end, chain->layers[i].virtual_bytes);
	return end;
}

static void choose_granularity(struct q2_union *u, bool coarsest)
{
	for (size_t i = 0; i < u->count; i++) {
		unsigned bits = u->sources[i].granularity_bits;
		if (i == 0 ||
		    (coarsest ? bits > u->granularity_bits : bits < u->granularity_bits))
			u->granularity_bits = bits;
	}
}

void q2_union_set_granularity(struct q2_union *u, unsigned granularity_bits)
{
	u->granularity_bits = granularity_bits;
	u->bits = q2_shift_up(u->virtual_bytes, granularity_bits);
}

enum qcow2bm_code q2_union_open(struct q2_union *u, struct qcow2bm_chain *chain,
				const struct qcow2bm_layer_bitmap *bitmaps, size_t count,
				unsigned flags, struct qcow2bm_error *err)
{
	*u = (struct q2_union){.virtual_bytes = chain->layers[0].virtual_bytes,
			       .granularity_bits = Q2_DIRECTORY_MIN_GRANULARITY_BITS,
			       .watch = chain->watch};
	u->sources = malloc((count + 1) * sizeof(*u->sources));
	if (u->sources == NULL)
		return q2_fail_memory(err, "the bits of several bitmaps");
	size_t lowest = 0;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < count; i++) {
		code = add(u, chain, &bitmaps[i], flags, err);
		if (code == QCOW2BM_OK && bitmaps[i].layer_idx > lowest)
			lowest = bitmaps[i].layer_idx;
	}
	u->changed_from = flags & Q2_UNION_NO_TAIL ? UINT64_MAX
						   : q2_union_changed_from(chain, lowest);
	choose_granularity(u, flags & Q2_UNION_COARSEST);
	q2_union_set_granularity(u, u->granularity_bits);
	return code;
}

enum qcow2bm_code q2_union_open_checkpoints(struct q2_union *u,
					    struct qcow2bm_chain *chain, size_t first,
					    size_t count, unsigned flags,
					    struct qcow2bm_error *err)
{
	size_t most = count * chain->layer_count, found = 0;
	struct qcow2bm_layer_bitmap *bitmaps = calloc(most + 1, sizeof(*bitmaps));
	*u = (struct q2_union){0};
	if (bitmaps == NULL)
		return q2_fail_memory(err, "the bits of several bitmaps");
	for (size_t layer = 0; layer < chain->layer_count; layer++)
		for (size_t i = first; i < first + count; i++) {
			size_t idx = chain->checkpoints[i].bitmaps[layer];
			if (idx != QCOW2BM_NOT_FOUND)
				bitmaps[found++] =
					(struct qcow2bm_layer_bitmap){layer, idx};
		}
	enum qcow2bm_code code = q2_union_open(u, chain, bitmaps, found, flags, err);
	free(bitmaps);
	return code;
}

void q2_union_close(struct q2_union *u)
{
	for (size_t i = 0; i < u->count; i++)
		q2_source_close(&u->sources[i]);
	free(u->sources);
	free(u->words);
	free(u->other);
	free(u->scratch);
	*u = (struct q2_union){0};
}

/* What the tables alone tell of a source's part of the window. */
static enum q2_uniform classify(const struct q2_union *u, const struct q2_source *source,
				uint64_t first, uint64_t bits)
{
	struct q2_source_range range =
		q2_convert_range(source, u->granularity_bits, first, bits);
	if (range.first >= source->shape.bits || range.bits == 0)
		return Q2_UNIFORM_ZEROS;
	uint64_t left = source->shape.bits - range.first;
	enum q2_uniform kind =
		q2_source_classify(source, range.first, q2_min_u64(range.bits, left));
	uint64_t end = (first + bits) << u->granularity_bits;
	/* It says nothing of what lies behind its end. */
	bool is_cut =
		source->image->header.virtual_bytes < q2_min_u64(end, u->virtual_bytes);
	return is_cut && kind == Q2_UNIFORM_ONES ? Q2_UNIFORM_MIXED : kind;
}

/* ORs a source's part of the window into u->words. */
static enum qcow2bm_code add_bits(struct q2_union *u, const struct q2_source *source,
				  uint64_t first, uint64_t bits,
				  struct qcow2bm_error *err)
{
	struct q2_source_range range =
		q2_convert_range(source, u->granularity_bits, first, bits);
	uint64_t left = source->shape.bits - range.first;
	if (source->granularity_bits < u->granularity_bits) {
		uint64_t all =
			q2_shift_up(source->shape.bits,
				    u->granularity_bits - source->granularity_bits);
		return q2_convert_read(source, u->granularity_bits, first,
				       q2_min_u64(bits, all - first), u->words,
				       u->scratch, err);
	}
	if (source->granularity_bits > u->granularity_bits) {
		unsigned shift = source->granularity_bits - u->granularity_bits;
		uint64_t covered = (source->shape.bits << shift) - first;
		return q2_convert_read(source, u->granularity_bits, first,
				       q2_min_u64(bits, covered), u->words, u->scratch,
				       err);
	}
	bits = q2_min_u64(bits, left);
	enum qcow2bm_code code = q2_source_read(source, first, bits, u->other, err);
	if (code == QCOW2BM_OK)
		q2_or_into(u->words, u->other, (size_t)q2_shift_up(bits, 6));
	return code;
}

/* Sets the bits of what lies behind u->changed_from. */
static void add_tail(struct q2_union *u, uint64_t first, uint64_t bits)
{
	uint64_t from = q2_max_u64(u->changed_from >> u->granularity_bits, first);
	for (uint64_t i = from - first; i < bits; i++)
		u->words[i / 64] |= q2_le64((uint64_t)1 << (i % 64));
}

/* Room for a window is made when the first one is read: tables alone tell of most of 65535 bitmaps. */
static enum qcow2bm_code make_room(struct q2_union *u, struct qcow2bm_error *err)
{
	if (u->words == NULL)
		u->words = malloc(WINDOW_WORDS * sizeof(uint64_t));
	if (u->other == NULL)
		u->other = malloc(WINDOW_WORDS * sizeof(uint64_t));
	if (u->scratch == NULL)
		u->scratch = malloc(Q2_CONVERT_WORDS * sizeof(uint64_t));
	return u->words == NULL || u->other == NULL || u->scratch == NULL
		       ? q2_fail_memory(err, "the bits of several bitmaps")
		       : QCOW2BM_OK;
}

enum qcow2bm_code q2_union_read(struct q2_union *u, uint64_t first, uint64_t bits,
				bool *is_uniform, bool *value, struct qcow2bm_error *err)
{
	bool any = false;
	bool has_tail = u->changed_from < u->virtual_bytes &&
			first + bits > u->changed_from >> u->granularity_bits;
	*is_uniform = true;
	*value = has_tail && first >= u->changed_from >> u->granularity_bits;
	for (size_t i = 0; i < u->count && !*value; i++) {
		enum q2_uniform kind = classify(u, &u->sources[i], first, bits);
		*value = kind == Q2_UNIFORM_ONES;
		any |= kind != Q2_UNIFORM_ZEROS;
	}
	if (*value || (!any && !has_tail))
		return QCOW2BM_OK;
	*is_uniform = false;
	enum qcow2bm_code made = make_room(u, err);
	if (made != QCOW2BM_OK)
		return made;
	memset(u->words, 0, (size_t)q2_shift_up(bits, 6) * sizeof(uint64_t));
	for (size_t i = 0; i < u->count; i++) {
		if (classify(u, &u->sources[i], first, bits) == Q2_UNIFORM_ZEROS)
			continue;
		enum qcow2bm_code code = add_bits(u, &u->sources[i], first, bits, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	if (has_tail)
		add_tail(u, first, bits);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_union_visit(struct q2_union *u, uint64_t first, uint64_t end,
				 q2_source_fn *fn, void *opaque,
				 struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	end = q2_min_u64(end, u->bits);
	first &= ~(uint64_t)63;
	for (uint64_t at = first; code == QCOW2BM_OK && at < end;) {
		uint64_t bits = q2_min_u64(Q2_UNION_WINDOW_BITS, end - at);
		bool is_uniform, value;
		if (u->tells)
			q2_watch_note(u->watch, at - first, end - first);
		code = q2_watch_look(u->watch, err);
		if (code == QCOW2BM_OK)
			code = q2_union_read(u, at, bits, &is_uniform, &value, err);
		if (code == QCOW2BM_OK)
			code = fn(opaque, at, bits, is_uniform ? NULL : u->words, value,
				  err);
		at += bits;
	}
	return code;
}
