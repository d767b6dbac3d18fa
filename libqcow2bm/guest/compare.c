/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Comparing two disks: what must be read is found from metadata, and read by threads. */
#include <stdlib.h>

#include "../base/error.h"
#include "../base/options.h"
#include "pool.h"
#include "ranges.h"

struct compare {
	struct qcow2bm_disk *disks[2];
	struct qcow2bm_compare_options options;
	struct qcow2bm_comparison *result;
	struct q2_watch *watch;
	struct q2_ranges ranges;
	struct q2_pool *pool;
	uint64_t end;     /* of the longer disk */
	uint64_t planned; /* up to here it is known what must be read */
	bool is_planned;  /* all is, or planning failed: */
	struct qcow2bm_error err;
};

/* What a disk has from `off` on; behind its end zeros, up to `end`. */
static enum qcow2bm_code find(struct compare *compare, int side, uint64_t off,
			      struct q2_guest_extent *extent)
{
	struct qcow2bm_disk *disk = compare->disks[side];
	if (off < disk->bytes) {
		enum qcow2bm_code code = q2_guest_disk_piece(
			disk, off, disk->bytes, extent, compare->watch, &compare->err);
		if (code != QCOW2BM_OK)
			compare->result->failed_disk = (size_t)side;
		return code;
	}
	*extent = (struct q2_guest_extent){.off = off,
					   .bytes = compare->end - off,
					   .kind = Q2_GUEST_UNALLOCATED,
					   .place = Q2_GUEST_NO_PLACE};
	return QCOW2BM_OK;
}

/* Both ranges become as long as the shorter one, and no longer than a part; in whole sectors: only the last
 * of a raw file may be cut by its end, and what is behind that is in the file, too, as zeros. */
static void fit(struct q2_batch_pair *pair)
{
	bool is_read = !q2_guest_reads_zero(&pair->side[0]) ||
		       !q2_guest_reads_zero(&pair->side[1]);
	uint64_t bytes = q2_min_u64(pair->side[0].bytes, pair->side[1].bytes);
	if (is_read && pair->side[0].kind != Q2_GUEST_COMPRESSED &&
	    pair->side[1].kind != Q2_GUEST_COMPRESSED)
		bytes = q2_min_u64(bytes, Q2_BATCH_PART);
	bytes = bytes < Q2_BATCH_SECTOR ? Q2_BATCH_SECTOR
					: bytes - bytes % Q2_BATCH_SECTOR;
	pair->side[0].bytes = pair->side[1].bytes = bytes;
}

/* Whether QEMU tells of the extent up to the end of the disk at once: it joins what one cache entry of L2
 * tables has, of each layer that it asks. */
static bool reaches_end(const struct compare *compare, int side,
			const struct q2_guest_extent *extent)
{
	struct qcow2bm_disk *disk = compare->disks[side];
	struct q2_guest_extent joined = *extent;
	for (size_t i = 0; i <= extent->layer; i++) {
		uint64_t reach = q2_guest_layer_reach(&disk->layers[i]);
		if (reach != 0 && extent->off / reach != (disk->bytes - 1) / reach)
			return false;
	}
	if (extent->kind != Q2_GUEST_COMPRESSED &&
	    q2_guest_disk_next(disk, extent->off, disk->bytes, &joined, compare->watch,
			       NULL) != QCOW2BM_OK)
		return false;
	return joined.off + joined.bytes == disk->bytes;
}

/* What qemu-img's strict mode compares beside the bytes: whether there is data, zeros, a place in the
 * file, anything at all (also behind the end of a backing file), and the end of the disk. */
static unsigned status_of(const struct compare *compare, int side,
			  const struct q2_guest_extent *extent)
{
	const struct qcow2bm_disk *disk = compare->disks[side];
	bool is_data =
		extent->kind == Q2_GUEST_DATA || extent->kind == Q2_GUEST_COMPRESSED;
	bool is_behind =
		extent->kind == Q2_GUEST_UNALLOCATED && extent->layer + 1 < disk->count;
	bool has_place = extent->kind != Q2_GUEST_COMPRESSED && !is_behind &&
			 extent->place != Q2_GUEST_NO_PLACE;
	return (is_data ? 1u : 0) | (q2_guest_reads_zero(extent) ? 2u : 0) |
	       (has_place ? 4u : 0) |
	       (extent->kind == Q2_GUEST_ZERO || is_behind ? 8u : 0) |
	       (reaches_end(compare, side, extent) ? 16u : 0);
}

static void note_status(const struct compare *compare, const struct q2_batch_pair *pair)
{
	struct qcow2bm_comparison *result = compare->result;
	if (result->first_status == QCOW2BM_NO_OFFSET &&
	    (compare->options.flags & QCOW2BM_COMPARE_STRICT) &&
	    compare->disks[0]->bytes == compare->disks[1]->bytes &&
	    status_of(compare, 0, &pair->side[0]) !=
		    status_of(compare, 1, &pair->side[1]))
		result->first_status = pair->side[0].off;
}

/* Fills a batch with what must be read, and leaves out what reads as zeros on both sides. */
static enum qcow2bm_code plan(struct compare *compare, struct q2_batch *batch)
{
	while (compare->planned < compare->end && batch->count < Q2_BATCH_PAIRS &&
	       batch->bytes < Q2_BATCH_BYTES) {
		struct q2_batch_pair *pair = &batch->pairs[batch->count];
		enum qcow2bm_code code = q2_watch_look(compare->watch, &compare->err);
		for (int side = 0; code == QCOW2BM_OK && side < 2; side++)
			code = find(compare, side, compare->planned, &pair->side[side]);
		if (code != QCOW2BM_OK)
			return code;
		note_status(compare, pair);
		for (int side = 0; side < 2; side++)
			compare->result->is_past_end[side] |=
				pair->side[side].is_past_end;
		fit(pair);
		/* Whoever wants the first difference alone goes no further. */
		if (compare->result->first_status != QCOW2BM_NO_OFFSET &&
		    (compare->options.flags & QCOW2BM_COMPARE_FIRST)) {
			compare->is_planned = true;
			return code;
		}
		compare->planned += pair->side[0].bytes;
		if (q2_guest_reads_zero(&pair->side[0]) &&
		    q2_guest_reads_zero(&pair->side[1]))
			continue;
		batch->count++;
		batch->bytes += pair->side[0].bytes;
	}
	return QCOW2BM_OK;
}

/* Keeps the threads busy. What goes wrong is told when all before it was compared. */
static void plan_ahead(struct compare *compare)
{
	struct q2_batch *batch;
	while (!compare->is_planned &&
	       (batch = q2_pool_free_batch(compare->pool)) != NULL) {
		if (plan(compare, batch) != QCOW2BM_OK ||
		    compare->planned == compare->end)
			compare->is_planned = true;
		if (batch->count != 0)
			q2_pool_give(compare->pool);
	}
}

/* Adds what came out for one range, from bit `sector` of the batch on. */
static enum qcow2bm_code add_range(struct compare *compare, const struct q2_batch *batch,
				   const struct q2_guest_extent *range, uint64_t sector,
				   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_ranges_grow(&compare->ranges, range->off, false, err);
	uint64_t count = range->bytes / Q2_BATCH_SECTOR;
	for (uint64_t i = 0; code == QCOW2BM_OK && i < count; i++) {
		uint64_t bit = sector + i;
		bool differs = batch->differs[bit / 64] >> bit % 64 & 1;
		code = q2_ranges_grow(&compare->ranges,
				      range->off + (i + 1) * Q2_BATCH_SECTOR, differs,
				      err);
	}
	return code;
}

static enum qcow2bm_code add_batch(struct compare *compare, const struct q2_batch *batch,
				   struct qcow2bm_error *err)
{
	uint64_t sector = 0;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < batch->done &&
			   !q2_ranges_have_enough(&compare->ranges);
	     i++) {
		const struct q2_guest_extent *range = &batch->pairs[i].side[0];
		code = add_range(compare, batch, range, sector, err);
		sector += range->bytes / Q2_BATCH_SECTOR;
		q2_watch_note(compare->watch, range->off + range->bytes, compare->end);
	}
	if (code != QCOW2BM_OK || batch->done == batch->count ||
	    q2_ranges_have_enough(&compare->ranges))
		return code;
	compare->result->failed_disk = (size_t)batch->failed;
	compare->result->failed_at = batch->pairs[batch->done].side[0].off;
	compare->result->failed_reading = true;
	return q2_pass(err, &batch->err);
}

static enum qcow2bm_code run(struct compare *compare, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	const struct q2_batch *batch;
	plan_ahead(compare);
	while (code == QCOW2BM_OK && !q2_ranges_have_enough(&compare->ranges) &&
	       (batch = q2_pool_take(compare->pool)) != NULL) {
		code = q2_watch_look(compare->watch, err);
		if (code == QCOW2BM_OK)
			code = add_batch(compare, batch, err);
		q2_pool_return(compare->pool);
		plan_ahead(compare);
	}
	if (code != QCOW2BM_OK || q2_ranges_have_enough(&compare->ranges))
		return code;
	if (compare->err.code != QCOW2BM_OK) {
		compare->result->failed_at = compare->planned;
		return q2_pass(err, &compare->err);
	}
	return q2_ranges_end(&compare->ranges, compare->planned, err);
}

enum qcow2bm_code qcow2bm_disk_compare(struct qcow2bm_disk *a, struct qcow2bm_disk *b,
				       const struct qcow2bm_compare_options *options,
				       qcow2bm_extent_fn *fn, void *opaque,
				       const struct qcow2bm_comparison **result,
				       const struct qcow2bm_watch *watch,
				       struct qcow2bm_error *err)
{
	struct q2_watch own;
	struct compare compare = {.disks = {a, b},
				  .options = QCOW2BM_COMPARE_OPTIONS_INIT,
				  .result = &a->comparison,
				  .watch = &own,
				  .end = q2_max_u64(a->bytes, b->bytes)};
	const unsigned known = QCOW2BM_COMPARE_STRICT | QCOW2BM_COMPARE_FIRST;
	*result = &a->comparison;
	enum qcow2bm_code code =
		q2_options_take(&compare.options, sizeof(compare.options), options,
				"compare options", err);
	if (code == QCOW2BM_OK)
		code = q2_options_check(compare.options.flags, known, "comparing", err);
	q2_ranges_begin(&compare.ranges, &a->comparison, compare.options.flags, fn,
			opaque);
	if (code == QCOW2BM_OK)
		code = q2_watch_begin(&own, watch, "nothing was changed", err);
	if (code == QCOW2BM_OK)
		code = q2_pool_open(&compare.pool, compare.disks, compare.options.threads,
				    err);
	if (code == QCOW2BM_OK)
		code = run(&compare, err);
	if (code == QCOW2BM_OK)
		q2_watch_end(&own);
	q2_pool_close(compare.pool);
	return code;
}
