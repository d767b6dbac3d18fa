/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of a new image that holds nothing but the name of its backing file. */
#include "overlay.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "extension.h"
#include "header.h"
#include "refcount.h"
#include "table.h"

#include <string.h>

#define HEADER_BYTES 112
#define REFCOUNT_ORDER 4
/* An L2 table has a cluster of entries of 8 bytes. */
#define L2_TABLE_BITS (Q2_OVERLAY_CLUSTER_BITS + Q2_OVERLAY_CLUSTER_BITS - 3)

/* Behind the header, as qemu-img has it: the backing file's format, the end, and its name. */
static void encode_backing(uint8_t *buf, struct q2_header *header, const char *name)
{
	static const char format[] = "qcow2";
	size_t at = HEADER_BYTES;
	q2_extension_encode_head(Q2_EXTENSION_BACKING_FORMAT, sizeof(format) - 1,
				 buf + at);
	memcpy(buf + at + Q2_EXTENSION_HEAD_BYTES, format, sizeof(format) - 1);
	at += Q2_EXTENSION_HEAD_BYTES + 8;
	q2_extension_encode_head(Q2_EXTENSION_END, 0, buf + at);
	/* Room for the bitmaps extension, so that the name need not be moved. */
	at += 4 * Q2_EXTENSION_HEAD_BYTES + Q2_EXTENSION_BITMAPS_BYTES;
	header->backing_file_off = at;
	header->backing_file_bytes = (uint32_t)strlen(name);
	memcpy(buf + at, name, header->backing_file_bytes);
}

enum qcow2bm_code q2_overlay_encode(uint8_t *buf, uint64_t virtual_bytes,
				    const char *backing_name, uint64_t *file_bytes,
				    struct qcow2bm_error *err)
{
	const uint64_t cluster_bytes = (uint64_t)1 << Q2_OVERLAY_CLUSTER_BITS;
	uint64_t l1_entries = q2_shift_up(virtual_bytes, L2_TABLE_BITS);
	size_t name_bytes = strlen(backing_name);
	if (name_bytes == 0 || name_bytes > Q2_HEADER_MAX_BACKING_BYTES)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the name of a backing file has 1 to %d bytes",
			       Q2_HEADER_MAX_BACKING_BYTES);
	if (l1_entries > Q2_HEADER_MAX_L1_BYTES / 8)
		return q2_fail(
			err, QCOW2BM_ELIMIT, QCOW2BM_NO_OFFSET,
			"the disk is too large for an overlay with clusters of 64 KiB");
	struct q2_header header = {
		.version = 3,
		.cluster_bits = Q2_OVERLAY_CLUSTER_BITS,
		.virtual_bytes = virtual_bytes,
		.l1_entries = (uint32_t)l1_entries,
		.l1_table_off = Q2_OVERLAY_BYTES,
		.refcount_table_off = cluster_bytes,
		.refcount_table_clusters = 1,
		.refcount_order = REFCOUNT_ORDER,
		.header_bytes = HEADER_BYTES,
	};
	uint64_t block_off = 2 * cluster_bytes;
	uint64_t clusters = 3 + q2_shift_up(l1_entries * 8, Q2_OVERLAY_CLUSTER_BITS);
	encode_backing(buf, &header, backing_name);
	q2_header_encode(&header, buf);
	q2_table_encode(&block_off, buf + cluster_bytes, 1);
	for (uint64_t i = 0; i < clusters; i++)
		q2_refcount_encode(buf + block_off, REFCOUNT_ORDER, i, 1);
	*file_bytes = clusters << Q2_OVERLAY_CLUSTER_BITS;
	return QCOW2BM_OK;
}
