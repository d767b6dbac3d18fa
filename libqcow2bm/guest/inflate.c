/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inflating one compressed cluster: every stream that QEMU inflates, to the same bytes, and no other. */
#include "inflate.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "../base/error.h"
#include "codes.h"

#define WINDOW_BITS (-12) /* a stream without zlib's frame */

static enum qcow2bm_code fail_stream(const struct q2_stream *stream, const char *type,
				     struct qcow2bm_error *err)
{
	return q2_fail(err, QCOW2BM_EIMAGE, stream->off,
		       "the compressed cluster at %llu cannot be inflated (%s)",
		       (unsigned long long)stream->off, type);
}

static enum qcow2bm_code reset_zlib(struct q2_inflater *inflater,
				    struct qcow2bm_error *err)
{
	if (inflater->zlib != NULL && inflateReset(inflater->zlib) == Z_OK)
		return QCOW2BM_OK;
	if (inflater->zlib == NULL)
		inflater->zlib = calloc(1, sizeof(*inflater->zlib));
	if (inflater->zlib != NULL && inflateInit2(inflater->zlib, WINDOW_BITS) == Z_OK)
		return QCOW2BM_OK;
	free(inflater->zlib);
	inflater->zlib = NULL;
	return q2_fail_memory(err, "inflating");
}

/* QEMU takes a stream whose output is full, whether it ends there, goes on or breaks off. */
static enum qcow2bm_code inflate_zlib(struct q2_inflater *inflater,
				      struct q2_stream *stream, uint8_t *out,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code = reset_zlib(inflater, err);
	if (code != QCOW2BM_OK)
		return code;
	z_stream *zlib = inflater->zlib;
	zlib->next_in = (z_const Bytef *)(uintptr_t)stream->in;
	zlib->avail_in = (uInt)stream->bytes;
	zlib->next_out = out;
	zlib->avail_out = (uInt)stream->cluster_bytes;
	int result = inflate(zlib, Z_FINISH);
	if ((result != Z_STREAM_END && result != Z_BUF_ERROR) || zlib->avail_out != 0)
		return fail_stream(stream, "zlib", err);
	/* Of one that does not end, what is behind may still be damage. */
	stream->needed = stream->bytes;
	if (result == Z_STREAM_END)
		stream->needed -= zlib->avail_in;
	return QCOW2BM_OK;
}

/* libdeflate is faster, and right where it takes a stream of sound codes, which ended. zlib, which QEMU asks,
 * judges all others. */
static enum qcow2bm_code inflate_deflate(struct q2_inflater *inflater,
					 struct q2_stream *stream, uint8_t *out,
					 struct qcow2bm_error *err)
{
	if (!q2_codes_are_sound(stream->in, stream->bytes))
		return inflate_zlib(inflater, stream, out, err);
	if (inflater->deflate == NULL)
		inflater->deflate = libdeflate_alloc_decompressor();
	if (inflater->deflate == NULL)
		return q2_fail_memory(err, "inflating");
	if (libdeflate_deflate_decompress_ex(inflater->deflate, stream->in, stream->bytes,
					     out, stream->cluster_bytes, &stream->needed,
					     NULL) == LIBDEFLATE_SUCCESS)
		return QCOW2BM_OK;
	return inflate_zlib(inflater, stream, out, err);
}

/* As many frames as the cluster has; what stands behind them is nobody's. The last must have ended
 * just where the cluster does. */
static enum qcow2bm_code inflate_zstd(struct q2_inflater *inflater,
				      struct q2_stream *stream, uint8_t *out,
				      struct qcow2bm_error *err)
{
	if (inflater->zstd == NULL)
		inflater->zstd = ZSTD_createDCtx();
	if (inflater->zstd == NULL)
		return q2_fail_memory(err, "inflating");
	ZSTD_DCtx_reset(inflater->zstd, ZSTD_reset_session_only);
	ZSTD_inBuffer input = {stream->in, stream->bytes, 0};
	ZSTD_outBuffer output = {out, stream->cluster_bytes, 0};
	size_t left = 0;
	while (output.pos < output.size) {
		size_t in_before = input.pos, out_before = output.pos;
		left = ZSTD_decompressStream(inflater->zstd, &output, &input);
		if (ZSTD_isError(left) ||
		    (input.pos == in_before && output.pos == out_before))
			return fail_stream(stream, "zstd", err);
	}
	stream->needed = input.pos;
	return left == 0 ? QCOW2BM_OK : fail_stream(stream, "zstd", err);
}

enum qcow2bm_code q2_inflate(struct q2_inflater *inflater, struct q2_stream *stream,
			     uint8_t *out, struct qcow2bm_error *err)
{
	return stream->type == QCOW2BM_COMPRESSION_ZSTD
		       ? inflate_zstd(inflater, stream, out, err)
		       : inflate_deflate(inflater, stream, out, err);
}

void q2_inflater_free(struct q2_inflater *inflater)
{
	libdeflate_free_decompressor(inflater->deflate);
	if (inflater->zlib != NULL)
		inflateEnd(inflater->zlib);
	free(inflater->zlib);
	ZSTD_freeDCtx(inflater->zstd);
}
