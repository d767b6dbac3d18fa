/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walking the header extensions, and the data of those that have a structure. */
#include "extension.h"

#include <inttypes.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "entry.h"
#include "header.h"

enum qcow2bm_code q2_extension_next(struct q2_extension *extension, const uint8_t *buf,
				    uint64_t area_end, uint64_t *off,
				    struct qcow2bm_error *err)
{
	*extension = (struct q2_extension){.type = Q2_EXTENSION_END, .head_off = *off};
	if (!q2_checked_within(*off, Q2_EXTENSION_HEAD_BYTES, area_end))
		return QCOW2BM_OK;
	uint64_t data_off = *off + Q2_EXTENSION_HEAD_BYTES;
	extension->type = q2_be32_load(buf + *off);
	extension->bytes = extension->claimed =
		q2_be32_load(buf + *off + Q2_EXTENSION_LENGTH_OFF);
	if (extension->bytes > area_end - data_off)
		return q2_fail(err, QCOW2BM_EIMAGE, *off,
			       "header extension 0x%08" PRIx32 " has %" PRIu32
			       " bytes, but only %" PRIu64 " are left",
			       extension->type, extension->bytes, area_end - data_off);
	/* The padding of the last one may be cut short by the end of the area. */
	*off = q2_min_u64(data_off + q2_round_up(extension->bytes, 8), area_end);
	return QCOW2BM_OK;
}

void q2_extension_encode_head(uint32_t type, uint32_t data_bytes, uint8_t *buf)
{
	q2_be32_store(buf, type);
	q2_be32_store(buf + Q2_EXTENSION_LENGTH_OFF, data_bytes);
}

void q2_bitmaps_extension_decode(struct q2_bitmaps_extension *bitmaps,
				 const uint8_t *data, uint32_t data_bytes)
{
	*bitmaps = (struct q2_bitmaps_extension){0};
	if (data_bytes < Q2_EXTENSION_BITMAPS_BYTES)
		return;
	*bitmaps = (struct q2_bitmaps_extension){
		.nb_bitmaps = q2_be32_load(data),
		.reserved = q2_be32_load(data + Q2_EXTENSION_RESERVED_OFF),
		.directory_bytes = q2_be64_load(data + Q2_EXTENSION_DIRECTORY_SIZE_OFF),
		.directory_off = q2_be64_load(data + Q2_EXTENSION_DIRECTORY_OFF),
	};
}

enum qcow2bm_code q2_bitmaps_extension_check(const struct q2_bitmaps_extension *bitmaps,
					     uint32_t data_bytes, uint32_t cluster_bits,
					     uint64_t off, struct qcow2bm_error *err)
{
	if (data_bytes != Q2_EXTENSION_BITMAPS_BYTES)
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "bitmaps extension has %" PRIu32 " bytes instead of %d",
			       data_bytes, Q2_EXTENSION_BITMAPS_BYTES);
	if (bitmaps->reserved != 0)
		return q2_fail(err, QCOW2BM_EIMAGE, off + Q2_EXTENSION_RESERVED_OFF,
			       "reserved field of the bitmaps extension is 0x%" PRIx32
			       " instead of 0",
			       bitmaps->reserved);
	if (bitmaps->nb_bitmaps == 0 || bitmaps->nb_bitmaps > Q2_DIRECTORY_MAX_BITMAPS)
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "nb_bitmaps %" PRIu32 " is outside 1..%d",
			       bitmaps->nb_bitmaps, Q2_DIRECTORY_MAX_BITMAPS);
	if (bitmaps->directory_bytes == 0 ||
	    bitmaps->directory_bytes > Q2_DIRECTORY_MAX_BYTES)
		return q2_fail(err, QCOW2BM_EIMAGE, off + Q2_EXTENSION_DIRECTORY_SIZE_OFF,
			       "bitmap_directory_size %" PRIu64 " is outside 1..%llu",
			       bitmaps->directory_bytes, Q2_DIRECTORY_MAX_BYTES);
	return q2_header_check_place("bitmap_directory_offset", bitmaps->directory_off,
				     bitmaps->directory_bytes, cluster_bits,
				     off + Q2_EXTENSION_DIRECTORY_OFF, err);
}

void q2_bitmaps_extension_encode(const struct q2_bitmaps_extension *bitmaps,
				 uint8_t *data)
{
	q2_be32_store(data, bitmaps->nb_bitmaps);
	q2_be32_store(data + Q2_EXTENSION_RESERVED_OFF, bitmaps->reserved);
	q2_be64_store(data + Q2_EXTENSION_DIRECTORY_SIZE_OFF, bitmaps->directory_bytes);
	q2_be64_store(data + Q2_EXTENSION_DIRECTORY_OFF, bitmaps->directory_off);
}

enum qcow2bm_code
q2_encryption_extension_decode(struct q2_encryption_extension *encryption,
			       const uint8_t *data, uint32_t data_bytes, uint64_t off,
			       struct qcow2bm_error *err)
{
	*encryption = (struct q2_encryption_extension){0};
	if (data_bytes != Q2_EXTENSION_ENCRYPTION_BYTES)
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "encryption extension has %" PRIu32 " bytes instead of %d",
			       data_bytes, Q2_EXTENSION_ENCRYPTION_BYTES);
	encryption->header_off = q2_be64_load(data);
	encryption->header_bytes = q2_be64_load(data + 8);
	/* 0 for the cluster size: the alignment is for the caller to check. */
	return q2_header_check_place("encryption header offset", encryption->header_off,
				     encryption->header_bytes, 0, off, err);
}
