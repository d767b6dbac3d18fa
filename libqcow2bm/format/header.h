/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image header ("Header" in QEMU's docs/interop/qcow2.rst). */
#ifndef Q2_FORMAT_HEADER_H
#define Q2_FORMAT_HEADER_H

#include "../qcow2bm.h"

#define Q2_HEADER_MAGIC 0x514649fbu
#define Q2_HEADER_V2_BYTES 72
#define Q2_HEADER_V3_MIN_BYTES 104
#define Q2_HEADER_MIN_CLUSTER_BITS 9
#define Q2_HEADER_MAX_CLUSTER_BITS 21 /* QEMU's limit */
#define Q2_HEADER_MAX_BACKING_BYTES 1023
#define Q2_HEADER_MAX_REFCOUNT_ORDER 6
#define Q2_HEADER_MAX_L1_BYTES (32u << 20)      /* QEMU's limit */
#define Q2_HEADER_MAX_REFTABLE_BYTES (8u << 20) /* QEMU's limit */
#define Q2_HEADER_MAX_SNAPSHOTS 65536           /* QEMU's limit */

/* Places of the fields that an edit writes one by one. */
#define Q2_HEADER_BACKING_OFF 8
#define Q2_HEADER_REFTABLE_OFF 48
#define Q2_HEADER_REFTABLE_CLUSTERS_OFF 56
#define Q2_HEADER_REFTABLE_BYTES \
	12 /* refcount_table_offset and refcount_table_clusters */
#define Q2_HEADER_INCOMPATIBLE_OFF 72
#define Q2_HEADER_AUTOCLEAR_OFF 88
#define Q2_HEADER_KNOWN_BYTES \
	105 /* compression_type is the last field with a meaning here */

#define Q2_INCOMPATIBLE_DIRTY (1ull << 0)
#define Q2_INCOMPATIBLE_CORRUPT (1ull << 1)
#define Q2_INCOMPATIBLE_DATA_FILE (1ull << 2)
#define Q2_INCOMPATIBLE_COMPRESSION (1ull << 3)
#define Q2_INCOMPATIBLE_EXTENDED_L2 (1ull << 4)
#define Q2_INCOMPATIBLE_KNOWN 0x1full
#define Q2_COMPATIBLE_LAZY_REFCOUNTS (1ull << 0)
#define Q2_AUTOCLEAR_BITMAPS (1ull << 0)
#define Q2_AUTOCLEAR_RAW_DATA (1ull << 1)
#define Q2_AUTOCLEAR_KNOWN 0x3ull

/* Members carry the specification's names, with the unit where it is not plain. */
struct q2_header {
	uint32_t version;
	uint64_t backing_file_off;
	uint32_t backing_file_bytes;
	uint32_t cluster_bits;
	uint64_t
		virtual_bytes; /* size, without a last sector that is not whole, as QEMU */
	uint32_t crypt_method;
	uint32_t l1_entries; /* l1_size */
	uint64_t l1_table_off;
	uint64_t refcount_table_off;
	uint32_t refcount_table_clusters;
	uint32_t nb_snapshots;
	uint64_t snapshots_off;
	uint64_t incompatible_features;
	uint64_t compatible_features;
	uint64_t autoclear_features;
	uint32_t refcount_order;
	uint32_t header_bytes; /* header_length */
	uint8_t compression_type;
};

/*
 * Decodes the header at the start of `buf`, which holds the first `bytes` of the image (512 are
 * enough for every known field), and checks all that can be checked without other structures.
 * Version 2 gets the values that the specification assumes for it.
 * Errors: ENOTQCOW2; EIMAGE; EUNSUPPORTED for another version, unknown incompatible bits, an
 * unknown encryption or compression type, or a cluster size over QEMU's limit.
 */
enum qcow2bm_code q2_header_decode(struct q2_header *header, const uint8_t *buf,
				   size_t bytes, struct qcow2bm_error *err);

/* Writes the known fields of the first min(header_bytes, 112) bytes to `buf`; the padding behind
 * compression_type and the bytes of a longer header may be fields that others know, and are left
 * as they are. */
void q2_header_encode(const struct q2_header *header, uint8_t *buf);

/*
 * Checks that a structure of `bytes` at `place` starts at a cluster that is not the header's and
 * ends before 2^63. `field` is its name in the specification, `off` where that stands in the
 * image. Errors: EIMAGE.
 */
enum qcow2bm_code q2_header_check_place(const char *field, uint64_t place, uint64_t bytes,
					uint32_t cluster_bits, uint64_t off,
					struct qcow2bm_error *err);

static inline uint64_t q2_header_cluster_bytes(const struct q2_header *header)
{
	return (uint64_t)1 << header->cluster_bits;
}

#endif
