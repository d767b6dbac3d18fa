/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the bits of a source of any kind. */
#include "source.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"

#define VISIT_WORDS 32768 /* 256 KiB: fits the second level cache */

void q2_source_close(struct q2_source *source)
{
	if (source->ops != NULL && source->ops->close != NULL)
		source->ops->close(source);
	free(source->table);
	source->table = NULL;
	source->own = NULL;
}

enum q2_uniform q2_source_classify(const struct q2_source *source, uint64_t first,
				   uint64_t bits)
{
	uint64_t end = q2_min_u64(first + bits, source->shape.bits);
	return first >= end ? Q2_UNIFORM_ZEROS
			    : source->ops->classify(source, first, end);
}

enum qcow2bm_code q2_source_read(const struct q2_source *source, uint64_t first,
				 uint64_t bits, uint64_t *words,
				 struct qcow2bm_error *err)
{
	size_t count = (size_t)q2_shift_up(bits, 6);
	uint64_t have = first >= source->shape.bits
				? 0
				: q2_min_u64(bits, source->shape.bits - first);
	size_t have_bytes = (size_t)q2_shift_up(have, 3);
	memset((uint8_t *)words + have_bytes, 0, count * 8 - have_bytes);
	enum qcow2bm_code code = QCOW2BM_OK;
	if (have != 0)
		code = source->ops->read(source, first, first + have, words, err);
	if (code == QCOW2BM_OK && have < (uint64_t)count * 64)
		q2_uniform_clear_tail(words, count, have);
	return code;
}

uint64_t q2_source_cost(const struct q2_source *source, uint64_t bits)
{
	return source->ops->cost(source, bits);
}

/* Where the piece ends that begins at `first`: as far as all is alike, cluster by cluster, and, where
 * it has to be read, as the words go. */
static uint64_t find_end(const struct q2_source *source, uint64_t first, uint64_t end,
			 enum q2_uniform *uniform)
{
	uint64_t per_cluster = source->shape.bits_per_cluster;
	uint64_t stop = first - first % per_cluster + per_cluster;
	*uniform = q2_source_classify(source, first, stop - first);
	if (*uniform == Q2_UNIFORM_MIXED)
		end = q2_min_u64(end, first + (uint64_t)VISIT_WORDS * 64);
	while (stop < end && q2_source_classify(source, stop, per_cluster) == *uniform)
		stop += per_cluster;
	return q2_min_u64(stop, end);
}

static enum qcow2bm_code visit_piece(const struct q2_source *source, uint64_t first,
				     uint64_t end, uint64_t *words, q2_source_fn *fn,
				     void *opaque, uint64_t *stopped,
				     struct qcow2bm_error *err)
{
	enum q2_uniform uniform;
	*stopped = find_end(source, first, end, &uniform);
	uint64_t bits = *stopped - first;
	if (uniform != Q2_UNIFORM_MIXED)
		return fn(opaque, first, bits, NULL, uniform == Q2_UNIFORM_ONES, err);
	enum qcow2bm_code code = q2_source_read(source, first, bits, words, err);
	return code != QCOW2BM_OK ? code : fn(opaque, first, bits, words, false, err);
}

enum qcow2bm_code q2_source_visit(const struct q2_source *source, uint64_t first,
				  uint64_t end, q2_source_fn *fn, void *opaque,
				  struct qcow2bm_error *err)
{
	uint64_t *words = malloc(VISIT_WORDS * sizeof(*words));
	if (words == NULL)
		return q2_fail_memory(err, "bitmap data");
	enum qcow2bm_code code = QCOW2BM_OK;
	first -= first % 64;
	while (code == QCOW2BM_OK && first < end)
		code = visit_piece(source, first, end, words, fn, opaque, &first, err);
	free(words);
	return code;
}
