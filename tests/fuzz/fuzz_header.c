/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header: what is decoded is within the limits, and is what is encoded. */
#include "base/checked.h"
#include "format/header.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_limits(const struct q2_header *header)
{
	fuzz_require(header->version == 2 || header->version == 3, "version");
	fuzz_require(header->cluster_bits >= Q2_HEADER_MIN_CLUSTER_BITS &&
			     header->cluster_bits <= Q2_HEADER_MAX_CLUSTER_BITS,
		     "cluster_bits %u", header->cluster_bits);
	fuzz_require(header->refcount_order <= Q2_HEADER_MAX_REFCOUNT_ORDER,
		     "refcount_order");
	fuzz_require(header->header_bytes <= q2_header_cluster_bytes(header),
		     "header_length");
	fuzz_require(header->nb_snapshots <= Q2_HEADER_MAX_SNAPSHOTS, "nb_snapshots");
	fuzz_require((uint64_t)header->l1_entries * 8 <= Q2_HEADER_MAX_L1_BYTES,
		     "l1_size");
	fuzz_require((uint64_t)header->refcount_table_clusters << header->cluster_bits <=
			     Q2_HEADER_MAX_REFTABLE_BYTES,
		     "refcount_table_clusters");
	fuzz_require(header->backing_file_off == 0 ||
			     header->backing_file_bytes <= Q2_HEADER_MAX_BACKING_BYTES,
		     "backing_file_size");
	fuzz_require(header->virtual_bytes % 512 == 0, "size");
}

static void check_round_trip(const struct q2_header *header, const uint8_t *bytes,
			     size_t size)
{
	uint8_t again[112] = {0};
	struct q2_header twice;
	memcpy(again, bytes, size < sizeof(again) ? size : sizeof(again));
	q2_header_encode(header, again);
	enum qcow2bm_code code = q2_header_decode(&twice, again, sizeof(again), NULL);
	fuzz_require(code == QCOW2BM_OK, "what was encoded is refused: %d", code);
	fuzz_require(twice.virtual_bytes == header->virtual_bytes &&
			     twice.header_bytes == header->header_bytes &&
			     twice.l1_table_off == header->l1_table_off &&
			     twice.refcount_table_off == header->refcount_table_off &&
			     twice.snapshots_off == header->snapshots_off &&
			     twice.incompatible_features ==
				     header->incompatible_features &&
			     twice.autoclear_features == header->autoclear_features &&
			     twice.compression_type == header->compression_type,
		     "the header changed on its way through bytes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct q2_header header;
	struct qcow2bm_error err = {0};
	uint8_t *bytes = fuzz_copy(data, size);
	enum qcow2bm_code code = q2_header_decode(&header, bytes, size, &err);
	fuzz_check_error(code, &err);
	if (code == QCOW2BM_OK) {
		check_limits(&header);
		check_round_trip(&header, bytes, size);
	}
	free(bytes);
	return 0;
}
