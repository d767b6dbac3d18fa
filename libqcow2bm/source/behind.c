/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lies behind the end of a smaller layer as a source: no bitmap of that layer can tell of it. */
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../format/entry.h"
#include "source.h"

static enum q2_uniform classify(const struct q2_source *source, uint64_t first,
				uint64_t end)
{
	if (end <= source->first_one)
		return Q2_UNIFORM_ZEROS;
	return first >= source->first_one ? Q2_UNIFORM_ONES : Q2_UNIFORM_MIXED;
}

static enum qcow2bm_code read_bits(const struct q2_source *source, uint64_t first,
				   uint64_t end, uint64_t *words,
				   struct qcow2bm_error *err)
{
	(void)err;
	size_t bytes = (size_t)q2_shift_up(end - first, 3);
	uint64_t zeros = source->first_one > first ? source->first_one - first : 0;
	uint8_t *at = (uint8_t *)words;
	size_t clean = (size_t)q2_min_u64(zeros / 8, bytes);
	memset(at, 0, clean);
	memset(at + clean, 0xff, bytes - clean);
	if (clean != bytes)
		at[clean] = (uint8_t)(0xffu << (zeros % 8));
	return QCOW2BM_OK;
}

static uint64_t cost(const struct q2_source *source, uint64_t bits)
{
	(void)source;
	(void)bits;
	return 0;
}

static const struct q2_source_ops behind_ops = {
	.kind = Q2_SOURCE_BEHIND,
	.classify = classify,
	.read = read_bits,
	.cost = cost,
};

void q2_source_open_behind(struct q2_source *source, struct qcow2bm_image *image,
			   uint64_t from_bytes)
{
	*source = (struct q2_source){
		.ops = &behind_ops,
		.image = image,
		.granularity_bits = Q2_DIRECTORY_MIN_GRANULARITY_BITS,
		.shape = q2_table_shape(image->header.virtual_bytes,
					Q2_DIRECTORY_MIN_GRANULARITY_BITS,
					image->header.cluster_bits),
		.first_one = from_bytes >> Q2_DIRECTORY_MIN_GRANULARITY_BITS,
	};
}
