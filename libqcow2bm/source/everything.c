/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole disk as a source. */
#include <string.h>

#include "../base/checked.h"
#include "source.h"

static enum q2_uniform classify(const struct q2_source *source, uint64_t first,
				uint64_t end)
{
	(void)source;
	(void)first;
	(void)end;
	return Q2_UNIFORM_ONES;
}

static enum qcow2bm_code read_bits(const struct q2_source *source, uint64_t first,
				   uint64_t end, uint64_t *words,
				   struct qcow2bm_error *err)
{
	(void)source;
	(void)err;
	memset(words, 0xff, (size_t)q2_shift_up(end - first, 3));
	return QCOW2BM_OK;
}

static uint64_t cost(const struct q2_source *source, uint64_t bits)
{
	(void)source;
	(void)bits;
	return 0;
}

static const struct q2_source_ops everything_ops = {
	.kind = Q2_SOURCE_EVERYTHING,
	.classify = classify,
	.read = read_bits,
	.cost = cost,
};

void q2_source_open_everything(struct q2_source *source, struct qcow2bm_image *image)
{
	unsigned cluster_bits = image->header.cluster_bits;
	*source = (struct q2_source){
		.ops = &everything_ops,
		.image = image,
		.granularity_bits = cluster_bits,
		.shape = q2_table_shape(image->header.virtual_bytes, cluster_bits,
					cluster_bits),
	};
}
