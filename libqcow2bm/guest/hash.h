/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hashes of the guest's data, and whether it is zeros. */
#ifndef Q2_GUEST_HASH_H
#define Q2_GUEST_HASH_H

#include "manifest.h"

/* Whether all bytes are 0. */
bool q2_hash_is_zeros(const uint8_t *bytes, size_t count);

/* Writes q2_manifest_hash_bytes(). */
void q2_hash_granule(enum q2_manifest_hash kind, const uint8_t *bytes, size_t count,
		     uint8_t *hash);

/* Whether a granule that begins at byte `off` of a disk, `bytes` long, has this hash in a manifest: that is
 * of what the disk had then, which is no more; what lies behind it was zeros. */
bool q2_hash_is_granule(const struct q2_manifest_header *header, uint64_t off,
			const uint8_t *granule, size_t bytes, const uint8_t *hash);

/* A SHA-256 of what is added piece by piece. */
struct q2_hash_total;
/* NULL for want of memory. */
struct q2_hash_total *q2_hash_total_open(void);
void q2_hash_total_add(struct q2_hash_total *total, const uint8_t *bytes, size_t count);
void q2_hash_total_close(struct q2_hash_total *total, uint8_t *hash);

#endif
