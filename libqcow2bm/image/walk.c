/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The L2 walk: which of some clusters belong to the guest. */
#include <stdlib.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../bits/within.h"
#include "../format/mapping.h"
#include "refs.h"

#define READ_BYTES (1u << 20)
#define FILTER_BYTES (4u << 20)

/* A last run of so many clusters is what lies behind the file. */
#define OPEN_RUN_CLUSTERS ((uint64_t)1 << 32)
#define PART_BYTES 512 /* the smallest L2 table */

/*
 * Nearly every L2 entry names a cluster that nobody asks for. A filter says so with one look:
 * bit (cluster - lowest) >> shift is set when a wanted cluster is among those it stands for.
 */
struct filter {
	uint64_t lowest;
	uint64_t span; /* clusters from the lowest wanted to the highest, included */
	unsigned shift;
	uint64_t *bits;
	uint64_t open_first; /* from here on all are wanted, and none is in the bits */
};

struct walk {
	const struct q2_clusters *wanted;
	struct q2_clusters *named;
	struct filter filter;
	unsigned cluster_bits;
	size_t stride; /* bytes of an L2 entry */
};

static enum qcow2bm_code make_filter(struct filter *filter,
				     const struct q2_clusters *wanted,
				     struct qcow2bm_error *err)
{
	const struct q2_run *runs = wanted->runs;
	size_t count = wanted->count;
	*filter = (struct filter){.lowest = runs[0].first, .open_first = UINT64_MAX};
	if (runs[count - 1].count >= OPEN_RUN_CLUSTERS)
		filter->open_first = runs[--count].first;
	if (count != 0)
		filter->span =
			runs[count - 1].first + runs[count - 1].count - filter->lowest;
	while (filter->span >> filter->shift >= (uint64_t)FILTER_BYTES * 8)
		filter->shift++;
	size_t words = (size_t)(filter->span >> filter->shift) / 64 + 1;
	filter->bits = calloc(words, sizeof(*filter->bits));
	if (filter->bits == NULL)
		return q2_fail_memory(err, "the L2 walk");
	for (size_t i = 0; i < count; i++) {
		uint64_t first =
			(wanted->runs[i].first - filter->lowest) >> filter->shift;
		uint64_t last_bit = (wanted->runs[i].first + wanted->runs[i].count - 1 -
				     filter->lowest) >>
				    filter->shift;
		for (uint64_t bit = first; bit <= last_bit; bit++)
			filter->bits[bit / 64] |= (uint64_t)1 << (bit % 64);
	}
	return QCOW2BM_OK;
}

static inline bool may_be_wanted(const struct filter *filter, uint64_t cluster)
{
	uint64_t place = cluster - filter->lowest;
	if (cluster >= filter->open_first)
		return true;
	if (place >= filter->span)
		return false;
	place >>= filter->shift;
	return filter->bits[place / 64] >> (place % 64) & 1;
}

static enum qcow2bm_code note_range(struct walk *walk, struct q2_mapping_range range,
				    struct qcow2bm_error *err)
{
	uint64_t first = range.off >> walk->cluster_bits;
	uint64_t end = q2_shift_up(range.off + range.bytes, walk->cluster_bits);
	uint64_t hit;
	while (q2_clusters_overlap(walk->wanted, first, end - first, &hit)) {
		enum qcow2bm_code code = q2_clusters_add(walk->named, hit, 1, err);
		if (code != QCOW2BM_OK)
			return code;
		first = hit + 1;
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code look_closely(struct walk *walk, const uint8_t *l2, size_t bytes,
				      struct qcow2bm_error *err)
{
	for (size_t at = 0; at < bytes; at += walk->stride) {
		uint64_t entry = q2_be64_load(l2 + at);
		if (entry == 0)
			continue;
		uint64_t cluster =
			(entry & Q2_MAPPING_L2_OFFSET_MASK) >> walk->cluster_bits;
		if (!(entry & Q2_MAPPING_COMPRESSED) &&
		    !may_be_wanted(&walk->filter, cluster))
			continue;
		struct q2_mapping_range range =
			q2_mapping_l2_range(entry, walk->cluster_bits);
		enum qcow2bm_code code = note_range(walk, range, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return QCOW2BM_OK;
}

/* Most parts of most tables name nothing between the lowest and the highest wanted cluster: the
 * range of the filter, tested many entries at a time. Of extended entries it tests the
 * subclusters' bits too, and looks closely once too often. */
static enum qcow2bm_code look_through(struct walk *walk, const uint8_t *l2, size_t bytes,
				      struct qcow2bm_error *err)
{
	uint64_t lowest_off = walk->filter.lowest << walk->cluster_bits;
	uint64_t span_bytes = walk->filter.span << walk->cluster_bits;
	if (walk->filter.open_first != UINT64_MAX)
		span_bytes = UINT64_MAX - lowest_off;
	for (size_t at = 0; at < bytes; at += PART_BYTES) {
		size_t part = (size_t)q2_min_u64(PART_BYTES, bytes - at);
		if (!q2_within_any(l2 + at, part / 8, Q2_MAPPING_L2_OFFSET_MASK, lowest_off,
				   span_bytes, Q2_MAPPING_COMPRESSED))
			continue;
		enum qcow2bm_code code = look_closely(walk, l2 + at, part, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code walk_run(struct walk *walk, struct qcow2bm_image *image,
				  const struct q2_run *run, uint8_t *buf,
				  size_t buf_bytes, struct qcow2bm_error *err)
{
	uint64_t off = run->first << walk->cluster_bits;
	uint64_t left = run->count << walk->cluster_bits;
	while (left != 0) {
		size_t bytes = (size_t)q2_min_u64(left, buf_bytes);
		enum qcow2bm_code code =
			q2_storage_read(image->storage, buf, bytes, off, err);
		if (code == QCOW2BM_OK)
			code = look_through(walk, buf, bytes, err);
		if (code != QCOW2BM_OK)
			return code;
		off += bytes;
		left -= bytes;
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_walk_find(struct qcow2bm_image *image,
			       const struct q2_clusters *l2_tables,
			       const struct q2_clusters *wanted,
			       struct q2_clusters *named, struct qcow2bm_error *err)
{
	uint64_t features = image->header.incompatible_features;
	/* The guest's clusters are in another file. */
	if (wanted->count == 0 || features & Q2_INCOMPATIBLE_DATA_FILE)
		return QCOW2BM_OK;
	struct walk walk = {
		.wanted = wanted,
		.named = named,
		.cluster_bits = image->header.cluster_bits,
		.stride = (size_t)1 << q2_mapping_entry_shift(
				  features & Q2_INCOMPATIBLE_EXTENDED_L2),
	};
	uint8_t *buf = malloc(READ_BYTES);
	enum qcow2bm_code code = buf == NULL ? q2_fail_memory(err, "the L2 walk")
					     : make_filter(&walk.filter, wanted, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < l2_tables->count; i++)
		code = walk_run(&walk, image, &l2_tables->runs[i], buf, READ_BYTES, err);
	free(walk.filter.bits);
	free(buf);
	return code;
}
