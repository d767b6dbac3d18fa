/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One layer of a disk: what it alone says of a part, from its tables or its file's holes. */
#include "layer.h"

#include <stdlib.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../clusters/l1.h"
#include "entry.h"

#define CACHE_ENTRY_BITS \
	16u /* log2 of the bytes that QEMU reads of an L2 table at once */

#define SECTOR_BYTES 512u

/* log2 of the bytes of the disk that an L2 table maps. */
static unsigned table_bits(const struct q2_guest_layer *layer)
{
	return q2_l2_table_shift(&layer->form) + layer->form.cluster_bits;
}

static enum qcow2bm_code note_l2(void *opaque, const struct q2_l1_table *table,
				 const struct q2_l1_entry *entry,
				 struct qcow2bm_error *err)
{
	uint64_t *l1 = opaque;
	(void)table;
	(void)err;
	l1[entry->idx] = entry->l2_off;
	return QCOW2BM_OK;
}

/* Loads the entries around number idx, which the table has. */
static enum qcow2bm_code load_l1(struct q2_guest_layer *layer, uint64_t idx,
				 struct q2_watch *watch, struct qcow2bm_error *err)
{
	if (idx >= layer->l1_first && idx - layer->l1_first < layer->l1_count)
		return QCOW2BM_OK;
	layer->l1_count = 0;
	free(layer->l1);
	layer->l1 = calloc(Q2_GUEST_L1_ENTRIES, sizeof(*layer->l1));
	if (layer->l1 == NULL)
		return q2_fail_memory(err, "an L1 table");
	layer->l1_first = idx - idx % Q2_GUEST_L1_ENTRIES;
	uint64_t count =
		q2_min_u64(Q2_GUEST_L1_ENTRIES, layer->l1_entries - layer->l1_first);
	const struct q2_l1_table table = {
		.off = layer->l1_off + layer->l1_first * Q2_L1_ENTRY_BYTES,
		.entries = (uint32_t)count,
	};
	enum qcow2bm_code code =
		q2_l1_read(layer->image, &table, watch, NULL, note_l2, layer->l1, err);
	if (code == QCOW2BM_OK)
		layer->l1_count = count;
	return code;
}

/* An L2 table in a hole of the file names nothing. */
static bool is_empty(struct q2_guest_layer *layer, uint64_t l2_off)
{
	return l2_off == 0 ||
	       q2_holes_is_empty(&layer->table_holes, l2_off,
				 l2_off + ((uint64_t)1 << layer->form.cluster_bits));
}

/* Whether the L1 table, or an L2 table, goes on past the end of the file: its entries there read as zeros. */
static bool is_table_cut(const struct q2_guest_layer *layer, uint64_t l2_off)
{
	uint64_t there = q2_round_up(layer->image->file_bytes, SECTOR_BYTES);
	uint64_t l1_bytes = (uint64_t)layer->l1_entries * Q2_L1_ENTRY_BYTES;
	return layer->l1_off + l1_bytes > there ||
	       (l2_off != 0 &&
		l2_off + ((uint64_t)1 << layer->form.cluster_bits) > there);
}

/* Loads the part of a table that has entry `idx`; *in_part is its number there. */
static enum qcow2bm_code load_l2(struct q2_guest_layer *layer, uint64_t l2_off,
				 uint64_t idx, size_t *in_part, struct qcow2bm_error *err)
{
	unsigned shift = layer->form.entry_shift;
	uint64_t most = Q2_GUEST_L2_BYTES >> shift;
	uint64_t count = q2_min_u64(most, (uint64_t)1 << q2_l2_table_shift(&layer->form));
	uint64_t off = l2_off + (idx - idx % count) * ((uint64_t)1 << shift);
	*in_part = (size_t)(idx % count);
	if (layer->part.count != 0 && layer->part.off == off)
		return QCOW2BM_OK;
	layer->part = (struct q2_l2_part){.form = &layer->form, .off = off};
	if (layer->l2 == NULL)
		layer->l2 = malloc(Q2_GUEST_L2_BYTES);
	if (layer->l2 == NULL)
		return q2_fail_memory(err, "an L2 table");
	layer->part.count = (size_t)count;
	enum qcow2bm_code code = q2_l2_read(layer->image, &layer->part, layer->l2, err);
	if (code != QCOW2BM_OK)
		layer->part.count = 0;
	return code;
}

/* What entry `idx` of the part, for the cluster at `off`, says from a subcluster on. */
static enum qcow2bm_code decode(const struct q2_guest_layer *layer, size_t idx,
				uint64_t off, unsigned subcluster,
				struct q2_guest_entry *entry, struct qcow2bm_error *err)
{
	bool is_extended = q2_l2_bits_shift(&layer->form) != 0;
	const char *why = q2_guest_entry_decode(
		entry, &layer->form, layer->image->header.version,
		q2_l2_entry(&layer->part, idx),
		is_extended ? q2_l2_subclusters(&layer->part, idx) : 0, subcluster);
	if (why == NULL && layer->form.has_data_file &&
	    entry->place != Q2_GUEST_NO_PLACE && entry->place != off)
		why = "names a place in the external data file that is another one's";
	if (why == NULL)
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EIMAGE, q2_l2_entry_off(&layer->part, idx),
		       "an L2 table entry %s" QCOW2BM_SEE_CHECK, why);
}

static bool goes_on(const struct q2_guest_extent *extent,
		    const struct q2_guest_entry *entry)
{
	if (entry->kind != extent->kind || entry->kind == Q2_GUEST_COMPRESSED)
		return false;
	if (extent->place == Q2_GUEST_NO_PLACE)
		return entry->place == Q2_GUEST_NO_PLACE;
	return entry->place == extent->place + extent->bytes;
}

/* Makes the extent longer by the clusters behind it that the part has, as long as they say the
 * same. `idx` is the first. One that is damaged is for who asks for it. */
static void extend(const struct q2_guest_layer *layer, size_t idx,
		   struct q2_guest_extent *extent)
{
	unsigned bits = layer->form.cluster_bits;
	unsigned unit_bits = bits - q2_l2_bits_shift(&layer->form);
	for (; idx < layer->part.count; idx++) {
		struct q2_guest_entry entry;
		uint64_t off = extent->off + extent->bytes;
		if (!q2_is_aligned(off, (uint64_t)1 << bits) ||
		    decode(layer, idx, off, 0, &entry, NULL) != QCOW2BM_OK ||
		    !goes_on(extent, &entry))
			return;
		extent->bytes += (uint64_t)entry.subclusters << unit_bits;
	}
}

/* The extent begins with the subcluster at extent->off. */
static enum qcow2bm_code find_in_l2(struct q2_guest_layer *layer, uint64_t l2_off,
				    struct q2_guest_extent *extent,
				    struct qcow2bm_error *err)
{
	unsigned bits = layer->form.cluster_bits;
	unsigned unit_bits = bits - q2_l2_bits_shift(&layer->form);
	uint64_t idx = (extent->off >> bits) &
		       (((uint64_t)1 << q2_l2_table_shift(&layer->form)) - 1);
	uint64_t in_cluster = extent->off & (((uint64_t)1 << bits) - 1);
	unsigned subcluster = (unsigned)(in_cluster >> unit_bits);
	struct q2_guest_entry entry;
	size_t at;
	enum qcow2bm_code code = load_l2(layer, l2_off, idx, &at, err);
	if (code == QCOW2BM_OK)
		code = decode(layer, at, extent->off - in_cluster, subcluster, &entry,
			      err);
	if (code != QCOW2BM_OK)
		return code;
	extent->kind = entry.kind;
	extent->stream_bytes = entry.stream_bytes;
	extent->place = entry.place;
	if (entry.kind == Q2_GUEST_COMPRESSED) {
		extent->off -= in_cluster;
		extent->bytes = (uint64_t)1 << bits;
		return code;
	}
	if (entry.place != Q2_GUEST_NO_PLACE)
		extent->place += (uint64_t)subcluster << unit_bits;
	extent->bytes = (uint64_t)entry.subclusters << unit_bits;
	extend(layer, at + 1, extent);
	return code;
}

/* Nothing up to the next L2 table that has something, as far as the loaded entries tell. */
static void skip_empty(struct q2_guest_layer *layer, uint64_t idx,
		       struct q2_guest_extent *extent)
{
	uint64_t end = layer->l1_first + layer->l1_count;
	while (idx < end && is_empty(layer, layer->l1[idx - layer->l1_first]) &&
	       is_table_cut(layer, layer->l1[idx - layer->l1_first]) == extent->is_cut)
		idx++;
	/* What the L1 table does not reach, of a snapshot of a smaller disk, is nowhere. */
	extent->bytes =
		(idx == layer->l1_entries ? layer->bytes : idx << table_bits(layer)) -
		extent->off;
}

static enum qcow2bm_code find_in_image(struct q2_guest_layer *layer,
				       struct q2_guest_extent *extent,
				       struct q2_watch *watch, struct qcow2bm_error *err)
{
	uint64_t idx = extent->off >> table_bits(layer);
	unsigned unit_bits = layer->form.cluster_bits - q2_l2_bits_shift(&layer->form);
	extent->off &= ~(((uint64_t)1 << unit_bits) - 1);
	extent->kind = Q2_GUEST_UNALLOCATED;
	extent->place = Q2_GUEST_NO_PLACE;
	if (idx >= layer->l1_entries) {
		extent->bytes = layer->bytes - extent->off;
		return QCOW2BM_OK;
	}
	enum qcow2bm_code code = load_l1(layer, idx, watch, err);
	if (code != QCOW2BM_OK)
		return code;
	uint64_t l2_off = layer->l1[idx - layer->l1_first];
	extent->is_cut = is_table_cut(layer, l2_off);
	if (!is_empty(layer, l2_off))
		return find_in_l2(layer, l2_off, extent, err);
	skip_empty(layer, idx, extent);
	return QCOW2BM_OK;
}

/* A raw file: data and holes. */
static void find_in_raw(struct q2_guest_layer *layer, struct q2_guest_extent *extent)
{
	extent->place = extent->off;
	extent->bytes = layer->bytes - extent->off;
	extent->kind = Q2_GUEST_DATA;
	if (q2_guest_holes_cut(layer, extent))
		extent->kind = Q2_GUEST_ZERO;
}

/* Tells what is in the file from what is behind its end. */
static void cut_at_end(const struct q2_guest_layer *layer, struct q2_guest_extent *extent)
{
	uint64_t there = layer->holes.length;
	there = there > INT64_MAX ? there : q2_round_up(there, SECTOR_BYTES);
	if (extent->place >= there)
		extent->is_cut = true;
	else
		extent->bytes = q2_min_u64(extent->bytes, there - extent->place);
}

/* Clusters that begin past the end of the file are not there; the last one may be cut short. What is
 * encrypted and a hole of the file is not zeros for the guest. */
static void judge_data(struct q2_guest_layer *layer, struct q2_guest_extent *extent)
{
	if (layer->finds_holes && layer->data != NULL &&
	    layer->image->header.crypt_method == 0)
		extent->is_hole = q2_guest_holes_cut(layer, extent);
	uint64_t cluster_bytes = (uint64_t)1 << layer->form.cluster_bits;
	uint64_t there = layer->holes.length;
	there = there > INT64_MAX ? there : q2_round_up(there, cluster_bytes);
	extent->is_past_end =
		layer->data != NULL && extent->place + extent->bytes > there;
	if (layer->data != NULL)
		cut_at_end(layer, extent);
}

/* Makes the extent begin at `off`, which is inside it. */
static void cut_before(struct q2_guest_extent *extent, uint64_t off)
{
	uint64_t done = off - extent->off;
	extent->off = off;
	extent->bytes -= done;
	if (extent->place != Q2_GUEST_NO_PLACE && extent->kind != Q2_GUEST_COMPRESSED)
		extent->place += done;
}

/* Whether holes are looked for is known when there is data. */
static enum qcow2bm_code ask_for_holes(struct q2_guest_layer *layer,
				       struct q2_watch *watch, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	if (layer->asks_for_holes)
		code = q2_guest_holes_expected(layer->image, &layer->finds_holes, watch,
					       err);
	layer->asks_for_holes &= code != QCOW2BM_OK;
	return code;
}

/* Finds what is there anew. Holes are finer than clusters: from `off` on they are looked for. */
static enum qcow2bm_code find_anew(struct q2_guest_layer *layer, uint64_t off,
				   struct q2_guest_extent *extent, struct q2_watch *watch,
				   struct qcow2bm_error *err)
{
	*extent = (struct q2_guest_extent){.off = off};
	if (layer->image == NULL) {
		find_in_raw(layer, extent);
		return QCOW2BM_OK;
	}
	enum qcow2bm_code code = find_in_image(layer, extent, watch, err);
	if (code != QCOW2BM_OK)
		return code;
	extent->bytes = q2_min_u64(extent->bytes, layer->bytes - extent->off);
	cut_before(extent, off);
	if (extent->kind != Q2_GUEST_DATA)
		return code;
	code = ask_for_holes(layer, watch, err);
	if (code == QCOW2BM_OK)
		judge_data(layer, extent);
	return code;
}

enum qcow2bm_code q2_guest_layer_blame(const struct q2_guest_layer *layer,
				       struct qcow2bm_error *err,
				       const struct qcow2bm_error *why)
{
	return layer->filename == NULL ? q2_pass(err, why)
				       : q2_fail_layer(err, why, layer->filename);
}

enum qcow2bm_code q2_guest_layer_find(struct q2_guest_layer *layer, uint64_t off,
				      struct q2_guest_extent *extent,
				      struct q2_watch *watch, struct qcow2bm_error *err)
{
	struct q2_guest_extent *last = &layer->last;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (off < last->off || off - last->off >= last->bytes)
		code = find_anew(layer, off, last, watch, err);
	if (code != QCOW2BM_OK) {
		last->bytes = 0;
		return code;
	}
	*extent = *last;
	cut_before(extent, off);
	return code;
}

uint64_t q2_guest_layer_reach(const struct q2_guest_layer *layer)
{
	unsigned bits = layer->form.cluster_bits;
	unsigned entry_bits = bits < CACHE_ENTRY_BITS ? bits : CACHE_ENTRY_BITS;
	return layer->image == NULL
		       ? 0
		       : (uint64_t)1 << (entry_bits - layer->form.entry_shift + bits);
}

void q2_guest_layer_free(struct q2_guest_layer *layer)
{
	free(layer->l1);
	free(layer->l2);
}
