/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A source whose bits have gone through a coarser bitmap on their way. */
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "source.h"

struct coarse {
	struct q2_source_ops ops; /* of the inner source's kind */
	struct q2_source inner;   /* its table is the outer one's */
	uint64_t scratch[Q2_CONVERT_WORDS];
};

static enum q2_uniform classify(const struct q2_source *source, uint64_t first,
				uint64_t end)
{
	const struct coarse *coarse = source->own;
	struct q2_source_range range = q2_convert_range(
		&coarse->inner, source->granularity_bits, first, end - first);
	return q2_source_classify(&coarse->inner, range.first, range.bits);
}

static enum qcow2bm_code read_bits(const struct q2_source *source, uint64_t first,
				   uint64_t end, uint64_t *words,
				   struct qcow2bm_error *err)
{
	struct coarse *coarse = source->own;
	memset(words, 0, (size_t)q2_shift_up(end - first, 6) * sizeof(*words));
	return q2_convert_read(&coarse->inner, source->granularity_bits, first,
			       end - first, words, coarse->scratch, err);
}

static uint64_t cost(const struct q2_source *source, uint64_t bits)
{
	const struct coarse *coarse = source->own;
	unsigned shift = source->granularity_bits - coarse->inner.granularity_bits;
	return q2_source_cost(&coarse->inner,
			      q2_min_u64(coarse->inner.shape.bits, bits << shift));
}

static void close_coarse(struct q2_source *source)
{
	struct coarse *coarse = source->own;
	if (coarse->inner.ops->close != NULL)
		coarse->inner.ops->close(&coarse->inner);
	free(coarse);
}

enum qcow2bm_code q2_source_coarsen(struct q2_source *source, unsigned granularity_bits,
				    struct qcow2bm_error *err)
{
	const struct q2_header *header = &source->image->header;
	if (granularity_bits <= source->granularity_bits)
		return QCOW2BM_OK;
	struct coarse *coarse = malloc(sizeof(*coarse));
	if (coarse == NULL)
		return q2_fail_memory(err, "bitmap data");
	coarse->inner = *source;
	coarse->ops = (struct q2_source_ops){.kind = source->ops->kind,
					     .classify = classify,
					     .read = read_bits,
					     .cost = cost,
					     .close = close_coarse};
	source->ops = &coarse->ops;
	source->own = coarse;
	source->granularity_bits = granularity_bits;
	source->shape = q2_table_shape(header->virtual_bytes, granularity_bits,
				       header->cluster_bits);
	return QCOW2BM_OK;
}
