/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The dirty and clean extents of a bitmap. */
#include "extents.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "../bits/run.h"
#include "../clusters/soundness.h"
#include "../source/source.h"

static enum qcow2bm_code emit(struct q2_extents *extents, uint64_t end,
			      struct qcow2bm_error *err)
{
	struct qcow2bm_extent extent = {extents->start, end - extents->start,
					extents->value};
	if (extents->fn(extents->opaque, &extent) != 0)
		return q2_fail(err, QCOW2BM_ESTOPPED, QCOW2BM_NO_OFFSET,
			       "stopped by the receiver of the extents");
	return QCOW2BM_OK;
}

/* From bit number `bit` on the value is `value`. */
static enum qcow2bm_code turn(struct q2_extents *extents, uint64_t bit, bool value,
			      struct qcow2bm_error *err)
{
	if (extents->has_value && extents->value == value)
		return QCOW2BM_OK;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (extents->has_value) {
		uint64_t at = bit << extents->granularity_bits;
		code = emit(extents, at, err);
		extents->start = at;
	}
	extents->has_value = true;
	extents->value = value;
	return code;
}

enum qcow2bm_code q2_extents_add(void *opaque, uint64_t first, uint64_t bits,
				 const uint64_t *words, bool value,
				 struct qcow2bm_error *err)
{
	struct q2_extents *extents = opaque;
	if (words == NULL)
		return turn(extents, first, value, err);
	uint64_t at = extents->first_bit > first ? extents->first_bit - first : 0;
	bool bit = q2_run_bit(words, at);
	while (at < bits) {
		enum qcow2bm_code code = turn(extents, first + at, bit, err);
		if (code != QCOW2BM_OK)
			return code;
		at = q2_run_end(words, at, bits, bit);
		bit = !bit;
	}
	return QCOW2BM_OK;
}

struct q2_extents q2_extents_begin(uint64_t start, uint64_t end,
				   unsigned granularity_bits, qcow2bm_extent_fn *fn,
				   void *opaque)
{
	return (struct q2_extents){
		.fn = fn,
		.opaque = opaque,
		.granularity_bits = granularity_bits,
		.first_bit = start >> granularity_bits,
		.end = end,
		.start = start,
	};
}

enum qcow2bm_code q2_extents_end(struct q2_extents *extents, struct qcow2bm_error *err)
{
	return emit(extents, extents->end, err);
}

/* Tells those from `start` on, which lies inside the disk. */
static enum qcow2bm_code tell(struct qcow2bm_image *image, size_t idx, unsigned flags,
			      struct q2_extents *extents, struct qcow2bm_error *err)
{
	struct q2_source source;
	enum qcow2bm_code code = q2_soundness_admit(image, idx, flags, true, err);
	if (code == QCOW2BM_OK)
		code = q2_source_open_bitmap(&source, image, idx, err);
	if (code != QCOW2BM_OK)
		return code;
	unsigned bits = source.bitmap->entry.granularity_bits;
	extents->granularity_bits = bits;
	extents->first_bit = extents->start >> bits;
	if (extents->end != extents->start) {
		code = q2_source_visit(&source, extents->first_bit,
				       q2_shift_up(extents->end, bits), q2_extents_add,
				       extents, err);
		if (code == QCOW2BM_OK)
			code = q2_extents_end(extents, err);
	}
	q2_source_close(&source);
	return code;
}

enum qcow2bm_code qcow2bm_bitmap_extents(struct qcow2bm_image *image, size_t idx,
					 uint64_t start, uint64_t length, unsigned flags,
					 qcow2bm_extent_fn *fn, void *opaque,
					 const struct qcow2bm_watch *watch,
					 struct qcow2bm_error *err)
{
	uint64_t virtual_bytes = image->header.virtual_bytes;
	if (start > virtual_bytes)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "start %llu lies past the end of the disk (%llu bytes)",
			       (unsigned long long)start,
			       (unsigned long long)virtual_bytes);
	struct q2_extents extents = {
		.fn = fn,
		.opaque = opaque,
		.end = start + q2_min_u64(length, virtual_bytes - start),
		.start = start,
	};
	struct q2_watch own;
	enum qcow2bm_code code = q2_storage_watch(image->storage, &own, watch, err);
	if (code == QCOW2BM_OK)
		code = tell(image, idx, flags, &extents, err);
	q2_storage_unwatch(image->storage);
	return code;
}
