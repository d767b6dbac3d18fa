/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the bits of a bitmap at another granularity than its own. */
#include <assert.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../bits/granularity.h"
#include "../bits/uniform.h"
#include "source.h"

#define SCRATCH_BITS ((uint64_t)Q2_CONVERT_WORDS * 64)
/* Up to this difference of granularities 64 bits and more come out of one scratch of bits. */
#define MANY_PER_SCRATCH_SHIFT 15

struct q2_source_range q2_convert_range(const struct q2_source *source,
					unsigned granularity_bits, uint64_t first,
					uint64_t bits)
{
	unsigned own = source->granularity_bits;
	if (granularity_bits >= own) {
		unsigned shift = granularity_bits - own;
		uint64_t start = first << shift;
		uint64_t left =
			start < source->shape.bits ? source->shape.bits - start : 0;
		uint64_t wanted = bits > left >> shift ? left : bits << shift;
		return (struct q2_source_range){start, q2_min_u64(left, wanted)};
	}
	unsigned shift = own - granularity_bits;
	uint64_t start = first >> shift;
	return (struct q2_source_range){start, ((first + bits - 1) >> shift) - start + 1};
}

static enum qcow2bm_code coarsen_many(const struct q2_source *source, unsigned shift,
				      uint64_t first, uint64_t bits, uint64_t *words,
				      uint64_t *scratch, struct qcow2bm_error *err)
{
	uint64_t step = SCRATCH_BITS >> shift;
	for (uint64_t at = 0; at < bits; at += step) {
		uint64_t part = q2_min_u64(step, bits - at);
		uint64_t start = (first + at) << shift;
		if (q2_source_classify(source, start, part << shift) == Q2_UNIFORM_ZEROS)
			continue;
		enum qcow2bm_code code =
			q2_source_read(source, start, part << shift, scratch, err);
		if (code != QCOW2BM_OK)
			return code;
		q2_granularity_coarsen(words + at / 64, part, scratch, shift);
	}
	return QCOW2BM_OK;
}

/* Whether any of the source's bits [first, end) is set. */
static enum qcow2bm_code find_any(const struct q2_source *source, uint64_t first,
				  uint64_t end, uint64_t *scratch, bool *any,
				  struct qcow2bm_error *err)
{
	*any = false;
	for (uint64_t at = first; at < end; at += SCRATCH_BITS) {
		uint64_t part = q2_min_u64(SCRATCH_BITS, end - at);
		if (q2_source_classify(source, at, part) == Q2_UNIFORM_ZEROS)
			continue;
		enum qcow2bm_code code = q2_source_read(source, at, part, scratch, err);
		if (code != QCOW2BM_OK)
			return code;
		if (q2_uniform_check(scratch, (size_t)q2_shift_up(part, 6)) !=
		    Q2_UNIFORM_ZEROS) {
			*any = true;
			return QCOW2BM_OK;
		}
	}
	return QCOW2BM_OK;
}

/* A bit that stands for more than the scratch holds is looked for by itself. */
static enum qcow2bm_code coarsen_few(const struct q2_source *source, unsigned shift,
				     uint64_t first, uint64_t bits, uint64_t *words,
				     uint64_t *scratch, struct qcow2bm_error *err)
{
	for (uint64_t i = 0; i < bits; i++) {
		uint64_t start = (first + i) << shift;
		if (start >= source->shape.bits)
			break;
		uint64_t left = source->shape.bits - start;
		uint64_t span = q2_min_u64((uint64_t)1 << shift, left);
		bool any;
		enum qcow2bm_code code =
			find_any(source, start, start + span, scratch, &any, err);
		if (code != QCOW2BM_OK)
			return code;
		if (any)
			words[i / 64] |= q2_le64((uint64_t)1 << (i % 64));
	}
	return QCOW2BM_OK;
}

/* Each of the source's bits becomes several. */
static enum qcow2bm_code refine(const struct q2_source *source, unsigned shift,
				uint64_t first, uint64_t bits, uint64_t *words,
				uint64_t *scratch, struct qcow2bm_error *err)
{
	/* A piece of the scratch may begin 63 bits early, to begin with a word. */
	uint64_t step = bits;
	if ((bits >> shift) >= SCRATCH_BITS - 128)
		step = (SCRATCH_BITS - 128) << shift;
	for (uint64_t at = 0; at < bits; at += step) {
		uint64_t part = q2_min_u64(step, bits - at);
		uint64_t start = (first + at) >> shift;
		uint64_t base = start - start % 64;
		uint64_t end = ((first + at + part - 1) >> shift) + 1;
		if (q2_source_classify(source, start, end - start) == Q2_UNIFORM_ZEROS)
			continue;
		enum qcow2bm_code code =
			q2_source_read(source, base, end - base, scratch, err);
		if (code != QCOW2BM_OK)
			return code;
		q2_granularity_refine(words + at / 64, part, scratch,
				      first + at - (base << shift), shift);
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_convert_read(const struct q2_source *source,
				  unsigned granularity_bits, uint64_t first,
				  uint64_t bits, uint64_t *words, uint64_t *scratch,
				  struct qcow2bm_error *err)
{
	unsigned own = source->granularity_bits;
	assert(own != granularity_bits);
	if (own > granularity_bits)
		return refine(source, own - granularity_bits, first, bits, words, scratch,
			      err);
	unsigned shift = granularity_bits - own;
	return (shift <= MANY_PER_SCRATCH_SHIFT ? coarsen_many : coarsen_few)(
		source, shift, first, bits, words, scratch, err);
}
