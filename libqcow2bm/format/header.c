/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoding, checking and encoding the image header. */
#include "header.h"

#include <inttypes.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "snapshot.h"

/* Places of the fields, in the order of the specification's section "Header". */
enum {
	VERSION_OFF = 4,
	BACKING_SIZE_OFF = 16,
	CLUSTER_BITS_OFF = 20,
	SIZE_OFF = 24,
	CRYPT_METHOD_OFF = 32,
	L1_SIZE_OFF = 36,
	L1_TABLE_OFF = 40,
	REFTABLE_CLUSTERS_OFF = Q2_HEADER_REFTABLE_CLUSTERS_OFF,
	NB_SNAPSHOTS_OFF = 60,
	SNAPSHOTS_OFF = 64,
	INCOMPATIBLE_OFF = 72,
	COMPATIBLE_OFF = 80,
	REFCOUNT_ORDER_OFF = 96,
	HEADER_LENGTH_OFF = 100,
	COMPRESSION_TYPE_OFF = 104
};

#define MAX_KNOWN_BYTES 112 /* compression_type and the padding behind it */
#define V2_REFCOUNT_ORDER 4
#define MAX_CRYPT_METHOD QCOW2BM_ENCRYPTION_LUKS
#define MAX_COMPRESSION_TYPE QCOW2BM_COMPRESSION_ZSTD
#define EXTENDED_L2_MIN_CLUSTER_BITS 14
#define SECTOR_BYTES 512
#define L1_ENTRY_BYTES 8

enum qcow2bm_code q2_header_check_place(const char *field, uint64_t place, uint64_t bytes,
					uint32_t cluster_bits, uint64_t off,
					struct qcow2bm_error *err)
{
	uint64_t cluster_bytes = (uint64_t)1 << cluster_bits;
	if (!q2_is_aligned(place, cluster_bytes))
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "%s %" PRIu64
			       " is not a multiple of the cluster size %" PRIu64,
			       field, place, cluster_bytes);
	if (place == 0 && bytes != 0)
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "%s 0 is the place of the header", field);
	if (!q2_checked_within(place, bytes, INT64_MAX))
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "%s %" PRIu64 " with %" PRIu64
			       " bytes there is over 2^63-1",
			       field, place, bytes);
	return QCOW2BM_OK;
}

static enum qcow2bm_code check_length(size_t bytes, size_t needed,
				      struct qcow2bm_error *err)
{
	if (bytes < needed)
		return q2_fail(err, QCOW2BM_EIMAGE, bytes,
			       "image ends after %zu bytes, inside its header of %zu",
			       bytes, needed);
	return QCOW2BM_OK;
}

static void decode_common(struct q2_header *header, const uint8_t *buf)
{
	header->backing_file_off = q2_be64_load(buf + Q2_HEADER_BACKING_OFF);
	header->backing_file_bytes = q2_be32_load(buf + BACKING_SIZE_OFF);
	header->cluster_bits = q2_be32_load(buf + CLUSTER_BITS_OFF);
	header->virtual_bytes =
		q2_be64_load(buf + SIZE_OFF) & ~(uint64_t)(SECTOR_BYTES - 1);
	header->crypt_method = q2_be32_load(buf + CRYPT_METHOD_OFF);
	header->l1_entries = q2_be32_load(buf + L1_SIZE_OFF);
	header->l1_table_off = q2_be64_load(buf + L1_TABLE_OFF);
	header->refcount_table_off = q2_be64_load(buf + Q2_HEADER_REFTABLE_OFF);
	header->refcount_table_clusters = q2_be32_load(buf + REFTABLE_CLUSTERS_OFF);
	header->nb_snapshots = q2_be32_load(buf + NB_SNAPSHOTS_OFF);
	header->snapshots_off = q2_be64_load(buf + SNAPSHOTS_OFF);
	header->refcount_order = V2_REFCOUNT_ORDER;
	header->header_bytes = Q2_HEADER_V2_BYTES;
}

/* The fields that version 2 does not have. */
static enum qcow2bm_code decode_version_3(struct q2_header *header, const uint8_t *buf,
					  size_t bytes, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = check_length(bytes, Q2_HEADER_V3_MIN_BYTES, err);
	if (code != QCOW2BM_OK)
		return code;
	header->incompatible_features = q2_be64_load(buf + INCOMPATIBLE_OFF);
	header->compatible_features = q2_be64_load(buf + COMPATIBLE_OFF);
	header->autoclear_features = q2_be64_load(buf + Q2_HEADER_AUTOCLEAR_OFF);
	header->refcount_order = q2_be32_load(buf + REFCOUNT_ORDER_OFF);
	header->header_bytes = q2_be32_load(buf + HEADER_LENGTH_OFF);
	if (header->header_bytes < Q2_HEADER_V3_MIN_BYTES)
		return q2_fail(err, QCOW2BM_EIMAGE, HEADER_LENGTH_OFF,
			       "header_length %" PRIu32 " is under %d",
			       header->header_bytes, Q2_HEADER_V3_MIN_BYTES);
	if (header->header_bytes % 8 != 0)
		return q2_fail(err, QCOW2BM_EIMAGE, HEADER_LENGTH_OFF,
			       "header_length %" PRIu32 " is not a multiple of 8",
			       header->header_bytes);
	if (header->header_bytes == Q2_HEADER_V3_MIN_BYTES)
		return QCOW2BM_OK;
	code = check_length(bytes, MAX_KNOWN_BYTES, err);
	if (code != QCOW2BM_OK)
		return code;
	header->compression_type = buf[COMPRESSION_TYPE_OFF];
	return QCOW2BM_OK;
}

/* Decodes the fields that the version has. */
static enum qcow2bm_code decode_fields(struct q2_header *header, const uint8_t *buf,
				       size_t bytes, struct qcow2bm_error *err)
{
	if (bytes < VERSION_OFF || q2_be32_load(buf) != Q2_HEADER_MAGIC)
		return q2_fail(err, QCOW2BM_ENOTQCOW2, 0, "image is not in qcow2 format");
	enum qcow2bm_code code = check_length(bytes, VERSION_OFF + 4, err);
	if (code != QCOW2BM_OK)
		return code;
	header->version = q2_be32_load(buf + VERSION_OFF);
	if (header->version != 2 && header->version != 3)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, VERSION_OFF,
			       "version %" PRIu32 " of the format is neither 2 nor 3",
			       header->version);
	code = check_length(bytes, Q2_HEADER_V2_BYTES, err);
	if (code != QCOW2BM_OK)
		return code;
	decode_common(header, buf);
	return header->version == 2 ? QCOW2BM_OK
				    : decode_version_3(header, buf, bytes, err);
}

/* First of all checks: an unknown bit may change what every other field means. */
static enum qcow2bm_code check_incompatible(const struct q2_header *header,
					    struct qcow2bm_error *err)
{
	uint64_t unknown = header->incompatible_features & ~Q2_INCOMPATIBLE_KNOWN;
	if (unknown != 0)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, INCOMPATIBLE_OFF,
			       "incompatible_features has the unknown bits 0x%" PRIx64,
			       unknown);
	return QCOW2BM_OK;
}

/* The cluster size comes first: all other limits are counted in clusters. */
static enum qcow2bm_code check_cluster(const struct q2_header *header,
				       struct qcow2bm_error *err)
{
	uint32_t bits = header->cluster_bits;
	if (bits < Q2_HEADER_MIN_CLUSTER_BITS || bits > Q2_HEADER_MAX_CLUSTER_BITS)
		return q2_fail(err,
			       bits > Q2_HEADER_MAX_CLUSTER_BITS ? QCOW2BM_EUNSUPPORTED
								 : QCOW2BM_EIMAGE,
			       CLUSTER_BITS_OFF,
			       "cluster_bits %" PRIu32 " is outside %d..%d", bits,
			       Q2_HEADER_MIN_CLUSTER_BITS, Q2_HEADER_MAX_CLUSTER_BITS);
	if ((header->incompatible_features & Q2_INCOMPATIBLE_EXTENDED_L2) != 0 &&
	    bits < EXTENDED_L2_MIN_CLUSTER_BITS)
		return q2_fail(err, QCOW2BM_EIMAGE, CLUSTER_BITS_OFF,
			       "cluster_bits %" PRIu32
			       " is under %d, which extended L2 needs",
			       bits, EXTENDED_L2_MIN_CLUSTER_BITS);
	if (header->header_bytes > q2_header_cluster_bytes(header))
		return q2_fail(err, QCOW2BM_EIMAGE, HEADER_LENGTH_OFF,
			       "header_length %" PRIu32
			       " is over the cluster size %" PRIu64,
			       header->header_bytes, q2_header_cluster_bytes(header));
	return QCOW2BM_OK;
}

static enum qcow2bm_code check_compression(const struct q2_header *header,
					   struct qcow2bm_error *err)
{
	bool flagged = (header->incompatible_features & Q2_INCOMPATIBLE_COMPRESSION) != 0;
	if (flagged != (header->compression_type != 0))
		return q2_fail(
			err, QCOW2BM_EIMAGE, COMPRESSION_TYPE_OFF,
			"compression_type is %d, but its incompatible feature bit is %d",
			header->compression_type, flagged);
	if (header->compression_type > MAX_COMPRESSION_TYPE)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, COMPRESSION_TYPE_OFF,
			       "compression_type %d is unknown",
			       header->compression_type);
	return QCOW2BM_OK;
}

static enum qcow2bm_code check_widths(const struct q2_header *header,
				      struct qcow2bm_error *err)
{
	if (header->refcount_order > Q2_HEADER_MAX_REFCOUNT_ORDER)
		return q2_fail(err, QCOW2BM_EIMAGE, REFCOUNT_ORDER_OFF,
			       "refcount_order %" PRIu32 " is over %d",
			       header->refcount_order, Q2_HEADER_MAX_REFCOUNT_ORDER);
	if (header->crypt_method > MAX_CRYPT_METHOD)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, CRYPT_METHOD_OFF,
			       "crypt_method %" PRIu32 " is unknown",
			       header->crypt_method);
	return QCOW2BM_OK;
}

/* Without a backing file the specification leaves backing_file_size undefined. */
static enum qcow2bm_code check_backing(const struct q2_header *header,
				       struct qcow2bm_error *err)
{
	if (header->backing_file_off == 0)
		return QCOW2BM_OK;
	if (header->backing_file_bytes > Q2_HEADER_MAX_BACKING_BYTES)
		return q2_fail(err, QCOW2BM_EIMAGE, BACKING_SIZE_OFF,
			       "backing_file_size %" PRIu32 " is over %d",
			       header->backing_file_bytes, Q2_HEADER_MAX_BACKING_BYTES);
	if (header->backing_file_off < header->header_bytes)
		return q2_fail(err, QCOW2BM_EIMAGE, Q2_HEADER_BACKING_OFF,
			       "backing_file_offset %" PRIu64
			       " is inside the header of %" PRIu32 " bytes",
			       header->backing_file_off, header->header_bytes);
	if (!q2_checked_within(header->backing_file_off, header->backing_file_bytes,
			       q2_header_cluster_bytes(header)))
		return q2_fail(err, QCOW2BM_EIMAGE, Q2_HEADER_BACKING_OFF,
			       "backing file name of %" PRIu32 " bytes at %" PRIu64
			       " is not inside the first cluster",
			       header->backing_file_bytes, header->backing_file_off);
	return QCOW2BM_OK;
}

static enum qcow2bm_code check_refcount_table(const struct q2_header *header,
					      struct qcow2bm_error *err)
{
	uint32_t clusters = header->refcount_table_clusters;
	uint32_t max = Q2_HEADER_MAX_REFTABLE_BYTES >> header->cluster_bits;
	if (clusters == 0 || clusters > max)
		return q2_fail(err, QCOW2BM_EIMAGE, REFTABLE_CLUSTERS_OFF,
			       "refcount_table_clusters %" PRIu32
			       " is outside 1..%" PRIu32,
			       clusters, max);
	return q2_header_check_place("refcount_table_offset", header->refcount_table_off,
				     (uint64_t)clusters << header->cluster_bits,
				     header->cluster_bits, Q2_HEADER_REFTABLE_OFF, err);
}

/* The L1 table must be long enough for the disk, and short enough to be read. */
static enum qcow2bm_code check_l1_table(const struct q2_header *header,
					struct qcow2bm_error *err)
{
	bool extended =
		(header->incompatible_features & Q2_INCOMPATIBLE_EXTENDED_L2) != 0;
	uint32_t max = Q2_HEADER_MAX_L1_BYTES / L1_ENTRY_BYTES;
	if (header->l1_entries > max)
		return q2_fail(err, QCOW2BM_EIMAGE, L1_SIZE_OFF,
			       "l1_size %" PRIu32 " is over %" PRIu32, header->l1_entries,
			       max);
	/* log2 of the guest bytes of one L1 entry: of an L2 table full of clusters. */
	unsigned shift = 2 * header->cluster_bits - (extended ? 4 : 3);
	uint64_t needed = q2_shift_up(header->virtual_bytes, shift);
	if (header->l1_entries < needed)
		return q2_fail(err, QCOW2BM_EIMAGE, L1_SIZE_OFF,
			       "l1_size %" PRIu32 " is under %" PRIu64
			       ", which a disk of %" PRIu64 " bytes needs",
			       header->l1_entries, needed, header->virtual_bytes);
	return q2_header_check_place("l1_table_offset", header->l1_table_off,
				     (uint64_t)header->l1_entries * L1_ENTRY_BYTES,
				     header->cluster_bits, L1_TABLE_OFF, err);
}

static enum qcow2bm_code check_snapshots(const struct q2_header *header,
					 struct qcow2bm_error *err)
{
	if (header->nb_snapshots > Q2_HEADER_MAX_SNAPSHOTS)
		return q2_fail(err, QCOW2BM_EIMAGE, NB_SNAPSHOTS_OFF,
			       "nb_snapshots %" PRIu32 " is over %d",
			       header->nb_snapshots, Q2_HEADER_MAX_SNAPSHOTS);
	return q2_header_check_place("snapshots_offset", header->snapshots_off,
				     (uint64_t)header->nb_snapshots *
					     Q2_SNAPSHOT_HEAD_BYTES,
				     header->cluster_bits, SNAPSHOTS_OFF, err);
}

enum qcow2bm_code q2_header_decode(struct q2_header *header, const uint8_t *buf,
				   size_t bytes, struct qcow2bm_error *err)
{
	/* In this order: check_cluster() makes cluster_bits safe to shift by. */
	static enum qcow2bm_code (*const checks[])(const struct q2_header *header,
						   struct qcow2bm_error *err) = {
		check_incompatible, check_cluster,   check_compression,
		check_widths,       check_backing,   check_refcount_table,
		check_l1_table,     check_snapshots,
	};
	*header = (struct q2_header){0};
	enum qcow2bm_code code = decode_fields(header, buf, bytes, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < sizeof(checks) / sizeof(checks[0]);
	     i++)
		code = checks[i](header, err);
	return code;
}

void q2_header_encode(const struct q2_header *header, uint8_t *buf)
{
	q2_be32_store(buf, Q2_HEADER_MAGIC);
	q2_be32_store(buf + VERSION_OFF, header->version);
	q2_be64_store(buf + Q2_HEADER_BACKING_OFF, header->backing_file_off);
	q2_be32_store(buf + BACKING_SIZE_OFF, header->backing_file_bytes);
	q2_be32_store(buf + CLUSTER_BITS_OFF, header->cluster_bits);
	q2_be64_store(buf + SIZE_OFF, header->virtual_bytes);
	q2_be32_store(buf + CRYPT_METHOD_OFF, header->crypt_method);
	q2_be32_store(buf + L1_SIZE_OFF, header->l1_entries);
	q2_be64_store(buf + L1_TABLE_OFF, header->l1_table_off);
	q2_be64_store(buf + Q2_HEADER_REFTABLE_OFF, header->refcount_table_off);
	q2_be32_store(buf + REFTABLE_CLUSTERS_OFF, header->refcount_table_clusters);
	q2_be32_store(buf + NB_SNAPSHOTS_OFF, header->nb_snapshots);
	q2_be64_store(buf + SNAPSHOTS_OFF, header->snapshots_off);
	if (header->version == 2)
		return;
	q2_be64_store(buf + INCOMPATIBLE_OFF, header->incompatible_features);
	q2_be64_store(buf + COMPATIBLE_OFF, header->compatible_features);
	q2_be64_store(buf + Q2_HEADER_AUTOCLEAR_OFF, header->autoclear_features);
	q2_be32_store(buf + REFCOUNT_ORDER_OFF, header->refcount_order);
	q2_be32_store(buf + HEADER_LENGTH_OFF, header->header_bytes);
	if (header->header_bytes > COMPRESSION_TYPE_OFF)
		buf[COMPRESSION_TYPE_OFF] = header->compression_type;
}
