/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What differs from an older state of the disk, found beforehand, as a source. */
#include "source.h"

static enum q2_uniform classify(const struct q2_source *source, uint64_t first,
				uint64_t end)
{
	return q2_differences_classify(source->differences, first, end);
}

static enum qcow2bm_code read_bits(const struct q2_source *source, uint64_t first,
				   uint64_t end, uint64_t *words,
				   struct qcow2bm_error *err)
{
	(void)err;
	q2_differences_read(source->differences, first, end, words);
	return QCOW2BM_OK;
}

static uint64_t cost(const struct q2_source *source, uint64_t bits)
{
	(void)source;
	(void)bits;
	return 0;
}

static const struct q2_source_ops differs_ops = {
	.kind = Q2_SOURCE_DIFFERS,
	.classify = classify,
	.read = read_bits,
	.cost = cost,
};

void q2_source_open_differs(struct q2_source *source, struct qcow2bm_image *image,
			    const struct q2_differences *differences)
{
	*source = (struct q2_source){
		.ops = &differs_ops,
		.image = image,
		.granularity_bits = differences->granularity_bits,
		.shape = q2_table_shape(image->header.virtual_bytes,
					differences->granularity_bits,
					image->header.cluster_bits),
		.differences = differences,
	};
}
