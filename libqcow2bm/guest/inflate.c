/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inflating one compressed cluster: every stream that QEMU inflates, to the same bytes. */
#include "inflate.h"

#include <libdeflate.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "../base/error.h"

#define WINDOW_BITS (-12) /* a stream without zlib's frame */

static enum qcow2bm_code fail_stream(struct qcow2bm_error *err, const char *type,
				     uint64_t off)
{
	return q2_fail(err, QCOW2BM_EIMAGE, off,
		       "the compressed cluster at %llu cannot be inflated (%s)",
		       (unsigned long long)off, type);
}

/*
 * QEMU takes a stream whose output is full, whether it ends there, goes on or breaks off. zlib knows
 * which are such; libdeflate, which is faster, is asked first, and takes those that end.
 */
static enum qcow2bm_code inflate_zlib(const uint8_t *in, size_t in_bytes, uint8_t *out,
				      size_t out_bytes, uint64_t off,
				      struct qcow2bm_error *err)
{
	z_stream stream;
	memset(&stream, 0, sizeof(stream));
	stream.next_in = (z_const Bytef *)(uintptr_t)in;
	stream.avail_in = (uInt)in_bytes;
	stream.next_out = out;
	stream.avail_out = (uInt)out_bytes;
	if (inflateInit2(&stream, WINDOW_BITS) != Z_OK)
		return q2_fail_memory(err, "inflating");
	int result = inflate(&stream, Z_FINISH);
	inflateEnd(&stream);
	if ((result == Z_STREAM_END || result == Z_BUF_ERROR) && stream.avail_out == 0)
		return QCOW2BM_OK;
	return fail_stream(err, "zlib", off);
}

static enum qcow2bm_code inflate_deflate(struct q2_inflater *inflater, const uint8_t *in,
					 size_t in_bytes, uint8_t *out, size_t out_bytes,
					 uint64_t off, struct qcow2bm_error *err)
{
	size_t taken;
	if (inflater->deflate == NULL)
		inflater->deflate = libdeflate_alloc_decompressor();
	if (inflater->deflate == NULL)
		return q2_fail_memory(err, "inflating");
	if (libdeflate_deflate_decompress_ex(inflater->deflate, in, in_bytes, out,
					     out_bytes, &taken,
					     NULL) == LIBDEFLATE_SUCCESS)
		return QCOW2BM_OK;
	return inflate_zlib(in, in_bytes, out, out_bytes, off, err);
}

/* As many frames as the cluster has; what stands behind them is nobody's. The last must have ended
 * just where the cluster does. */
static enum qcow2bm_code inflate_zstd(struct q2_inflater *inflater, const uint8_t *in,
				      size_t in_bytes, uint8_t *out, size_t out_bytes,
				      uint64_t off, struct qcow2bm_error *err)
{
	if (inflater->zstd == NULL)
		inflater->zstd = ZSTD_createDCtx();
	if (inflater->zstd == NULL)
		return q2_fail_memory(err, "inflating");
	ZSTD_DCtx_reset(inflater->zstd, ZSTD_reset_session_only);
	ZSTD_inBuffer input = {in, in_bytes, 0};
	ZSTD_outBuffer output = {out, out_bytes, 0};
	size_t left = 0;
	while (output.pos < output.size) {
		size_t in_before = input.pos, out_before = output.pos;
		left = ZSTD_decompressStream(inflater->zstd, &output, &input);
		if (ZSTD_isError(left) ||
		    (input.pos == in_before && output.pos == out_before))
			return fail_stream(err, "zstd", off);
	}
	return left == 0 ? QCOW2BM_OK : fail_stream(err, "zstd", off);
}

enum qcow2bm_code q2_inflate(struct q2_inflater *inflater, uint8_t type,
			     const uint8_t *in, size_t in_bytes, uint8_t *out,
			     size_t out_bytes, uint64_t off, struct qcow2bm_error *err)
{
	if (type == QCOW2BM_COMPRESSION_ZSTD)
		return inflate_zstd(inflater, in, in_bytes, out, out_bytes, off, err);
	return inflate_deflate(inflater, in, in_bytes, out, out_bytes, off, err);
}

void q2_inflater_free(struct q2_inflater *inflater)
{
	libdeflate_free_decompressor(inflater->deflate);
	ZSTD_freeDCtx(inflater->zstd);
}
