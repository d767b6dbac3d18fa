/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of a new image that holds nothing but the name of its backing file. */
#ifndef Q2_FORMAT_OVERLAY_H
#define Q2_FORMAT_OVERLAY_H

#include "../qcow2bm.h"

#define Q2_OVERLAY_CLUSTER_BITS 16
/* Header, refcount table and refcount block, a cluster each; behind them the L1 table, all zeros. */
#define Q2_OVERLAY_BYTES (3u << Q2_OVERLAY_CLUSTER_BITS)

/*
 * Encodes an overlay of a qcow2 image into `buf`, Q2_OVERLAY_BYTES of zeros, and tells how long the
 * file is. Errors: EINVAL for a backing name of 0 or over 1023 bytes; ELIMIT for a disk whose
 * L1 table is over QEMU's limit.
 */
enum qcow2bm_code q2_overlay_encode(uint8_t *buf, uint64_t virtual_bytes,
				    const char *backing_name, uint64_t *file_bytes,
				    struct qcow2bm_error *err);

#endif
