/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bitmap table: cluster_bits and granularity_bits (1 byte each), size of the disk (8), the
 * entries. The same bytes are read as L2 entries. */
#include "base/endian.h"
#include "format/mapping.h"
#include "format/table.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_shape(uint64_t virtual_bytes, unsigned granularity_bits,
			unsigned cluster_bits)
{
	struct q2_table_shape shape =
		q2_table_shape(virtual_bytes, granularity_bits, cluster_bits);
	if (virtual_bytes == 0) {
		fuzz_require(shape.bits == 0 && shape.entries == 0, "a disk of no bytes");
		return;
	}
	fuzz_require(shape.bits - 1 == (virtual_bytes - 1) >> granularity_bits, "bits");
	fuzz_require((shape.bits - 1) / 64 * 8 + 8 == shape.bytes, "bytes");
	fuzz_require((shape.bits - 1) / shape.bits_per_cluster == shape.entries - 1,
		     "entries");
}

static void check_entries(const uint64_t *entries, const uint8_t *bytes, uint32_t count,
			  unsigned cluster_bits)
{
	uint8_t *again = malloc(count == 0 ? 1 : (size_t)count * 8);
	if (again == NULL)
		abort();
	q2_table_encode(entries, again, count);
	fuzz_require(memcmp(again, bytes, (size_t)count * 8) == 0,
		     "entries changed on their way through numbers");
	free(again);
	for (uint32_t i = 0; i < count; i++)
		fuzz_require(!q2_table_is_data(entries[i]) ||
				     (entries[i] & (((uint64_t)1 << cluster_bits) - 1)) ==
					     0,
			     "entry %u is not at a cluster", i);
}

static void check_mapping(const uint8_t *bytes, uint32_t count, unsigned cluster_bits)
{
	for (uint32_t i = 0; i < count; i++) {
		struct q2_mapping_range range = q2_mapping_l2_range(
			q2_be64_load(bytes + (size_t)i * 8), cluster_bits);
		fuzz_require(range.off % 512 == 0 && range.bytes % 512 == 0 &&
				     range.off >> 62 == 0 &&
				     range.bytes <= (uint64_t)512 << (cluster_bits - 8),
			     "a mapping of %llu bytes", (unsigned long long)range.bytes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct qcow2bm_error err = {0};
	unsigned cluster_bits = 9 + fuzz_byte(&input) % 13;
	unsigned granularity_bits = fuzz_byte(&input) % 64;
	check_shape(fuzz_number(&input, 8), granularity_bits, cluster_bits);
	uint32_t count = (uint32_t)(input.left / 8);
	uint8_t *bytes = fuzz_copy(input.bytes, (size_t)count * 8);
	uint64_t *entries = fuzz_copy(input.bytes, (size_t)count * 8);
	/* In place, as the image is read. */
	enum qcow2bm_code code = q2_table_decode(entries, (const uint8_t *)entries, count,
						 cluster_bits, 0, &err);
	fuzz_check_error(code, &err);
	if (code == QCOW2BM_OK)
		check_entries(entries, bytes, count, cluster_bits);
	check_mapping(bytes, count, cluster_bits);
	free(entries);
	free(bytes);
	return 0;
}
