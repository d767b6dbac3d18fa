/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoding and encoding bitmap tables, and the shape that a bitmap must have. */
#include "table.h"

#include <inttypes.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"

/* Bits that must not be set in an entry unless it is Q2_TABLE_ONES. */
static uint64_t forbidden_bits(uint32_t cluster_bits)
{
	return Q2_TABLE_RESERVED_MASK | (((uint64_t)1 << cluster_bits) - 1);
}

/* Says which of the rules a table entry breaks. */
static enum qcow2bm_code fail_entry(uint64_t entry, uint32_t idx, uint32_t cluster_bits,
				    uint64_t off, struct qcow2bm_error *err)
{
	uint64_t place = off + (uint64_t)idx * Q2_TABLE_ENTRY_BYTES;
	if ((entry & Q2_TABLE_RESERVED_MASK) != 0)
		return q2_fail(err, QCOW2BM_EIMAGE, place,
			       "bitmap table entry %" PRIu32 " is 0x%" PRIx64
			       ": reserved bits are set",
			       idx, entry);
	if ((entry & Q2_TABLE_ONES) != 0)
		return q2_fail(err, QCOW2BM_EIMAGE, place,
			       "bitmap table entry %" PRIu32 " is 0x%" PRIx64
			       ": both all-one and an offset",
			       idx, entry);
	return q2_fail(err, QCOW2BM_EIMAGE, place,
		       "bitmap table entry %" PRIu32 " is 0x%" PRIx64
		       ": not a multiple of the cluster size %" PRIu64,
		       idx, entry, (uint64_t)1 << cluster_bits);
}

enum qcow2bm_code q2_table_check_entry(uint64_t entry, uint32_t idx,
				       uint32_t cluster_bits, uint64_t off,
				       struct qcow2bm_error *err)
{
	if ((entry & forbidden_bits(cluster_bits)) != 0 && entry != Q2_TABLE_ONES)
		return fail_entry(entry, idx, cluster_bits, off, err);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_table_decode(uint64_t *entries, const uint8_t *buf, uint32_t count,
				  uint32_t cluster_bits, uint64_t off,
				  struct qcow2bm_error *err)
{
	uint64_t forbidden = forbidden_bits(cluster_bits);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t entry = q2_be64_load(buf + (size_t)i * Q2_TABLE_ENTRY_BYTES);
		if ((entry & forbidden) != 0 && entry != Q2_TABLE_ONES)
			return fail_entry(entry, i, cluster_bits, off, err);
		entries[i] = entry;
	}
	return QCOW2BM_OK;
}

void q2_table_encode(const uint64_t *entries, uint8_t *buf, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		q2_be64_store(buf + (size_t)i * Q2_TABLE_ENTRY_BYTES, entries[i]);
}

struct q2_table_shape q2_table_shape(uint64_t virtual_bytes, unsigned granularity_bits,
				     unsigned cluster_bits)
{
	struct q2_table_shape shape;
	shape.bits = q2_shift_up(virtual_bytes, granularity_bits);
	shape.bytes = q2_shift_up(shape.bits, 6) * 8;
	shape.entries = q2_shift_up(shape.bytes, cluster_bits);
	shape.bits_per_cluster = (uint64_t)8 << cluster_bits;
	return shape;
}
