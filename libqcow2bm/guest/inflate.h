/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inflating one compressed cluster: every stream that QEMU inflates, to the same bytes. Of damaged ones that
 * QEMU refuses libdeflate lets pass a few, about one of 1,100 that still inflate: code lengths repeated
 * past the end of their list, and the two distance codes that mean nothing.
 */
#ifndef Q2_GUEST_INFLATE_H
#define Q2_GUEST_INFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "../qcow2bm.h"

struct libdeflate_decompressor;
struct ZSTD_DCtx_s;

/* Kept from one cluster to the next. All zero: nothing yet. One thread's. */
struct q2_inflater {
	struct libdeflate_decompressor *deflate;
	struct ZSTD_DCtx_s *zstd;
};

/*
 * Inflates the stream at the start of `in`, whose end is not known better than in_bytes, to exactly
 * out_bytes. `type` is the header's compression_type, `off` where it stands in the image.
 * Errors: EIMAGE, for a damaged stream and one of fewer bytes; ENOMEM.
 */
enum qcow2bm_code q2_inflate(struct q2_inflater *inflater, uint8_t type,
			     const uint8_t *in, size_t in_bytes, uint8_t *out,
			     size_t out_bytes, uint64_t off, struct qcow2bm_error *err);
void q2_inflater_free(struct q2_inflater *inflater);

#endif
