/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inflating one compressed cluster: every stream that QEMU inflates, to the same bytes, and no other. */
#ifndef Q2_GUEST_INFLATE_H
#define Q2_GUEST_INFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "../qcow2bm.h"

struct libdeflate_decompressor;
struct z_stream_s;
struct ZSTD_DCtx_s;

/* Kept from one cluster to the next. All zero: nothing yet. One thread's. */
struct q2_inflater {
	struct libdeflate_decompressor *deflate;
	struct z_stream_s *zlib;
	struct ZSTD_DCtx_s *zstd;
};

/* The stream of a compressed cluster. */
struct q2_stream {
	const uint8_t *in;
	size_t bytes;         /* that may be its; where it ends it says itself */
	uint8_t type;         /* the header's compression_type */
	size_t cluster_bytes; /* that it is to give */
	uint64_t off;         /* where it stands in the image */
	/* After q2_inflate(): every stream that begins with these so many bytes gives the same. */
	size_t needed;
};

/* Inflates a stream to exactly cluster_bytes. Errors: EIMAGE, for a damaged stream and one of fewer bytes;
 * ENOMEM. */
enum qcow2bm_code q2_inflate(struct q2_inflater *inflater, struct q2_stream *stream,
			     uint8_t *out, struct qcow2bm_error *err);
void q2_inflater_free(struct q2_inflater *inflater);

#endif
