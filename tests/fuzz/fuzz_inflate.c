/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A compressed cluster: its type (1 byte), log2 of its size less 9 (1), the stream. What QEMU
 * can inflate, which asks zlib, or zstd frame by frame, is inflated to the same bytes. */
#include "fuzz.h"
#include "guest/inflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

/* As QEMU's qcow2 driver tells good streams from bad ones. */
static bool inflates_as_zlib(const uint8_t *in, size_t in_bytes, uint8_t *out,
			     size_t out_bytes)
{
	z_stream stream;
	memset(&stream, 0, sizeof(stream));
	stream.next_in = (z_const Bytef *)(uintptr_t)in;
	stream.avail_in = (uInt)in_bytes;
	stream.next_out = out;
	stream.avail_out = (uInt)out_bytes;
	fuzz_require(inflateInit2(&stream, -12) == Z_OK, "no zlib");
	int result = inflate(&stream, Z_FINISH);
	inflateEnd(&stream);
	return (result == Z_STREAM_END || result == Z_BUF_ERROR) && stream.avail_out == 0;
}

static bool inflates_as_zstd(const uint8_t *in, size_t in_bytes, uint8_t *out,
			     size_t out_bytes)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	ZSTD_inBuffer input = {in, in_bytes, 0};
	ZSTD_outBuffer output = {out, out_bytes, 0};
	size_t result = 0;
	bool goes_on = true;
	while (goes_on && output.pos < output.size) {
		size_t before = input.pos + output.pos;
		result = ZSTD_decompressStream(context, &output, &input);
		goes_on = !ZSTD_isError(result) && input.pos + output.pos > before;
	}
	ZSTD_freeDCtx(context);
	return goes_on && result == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct q2_inflater inflater; /* kept, as a reader keeps it */
	struct fuzz_input input = {data, size};
	uint8_t type = fuzz_byte(&input) % 2;
	size_t bytes = (size_t)512 << fuzz_byte(&input) % 8;
	uint8_t *in = fuzz_copy(input.bytes, input.left);
	uint8_t *out = calloc(1, bytes), *expected = calloc(1, bytes);
	struct qcow2bm_error err = {0};
	fuzz_require(out != NULL && expected != NULL, "no memory");
	struct q2_stream stream = {in, input.left, type, bytes, 512, 0};
	enum qcow2bm_code code = q2_inflate(&inflater, &stream, out, &err);
	fuzz_check_error(code, &err);
	bool is_good = type == QCOW2BM_COMPRESSION_ZLIB
			       ? inflates_as_zlib(in, input.left, expected, bytes)
			       : inflates_as_zstd(in, input.left, expected, bytes);
	fuzz_require(!is_good || code == QCOW2BM_OK, "QEMU finds this stream good");
	fuzz_require(is_good || code != QCOW2BM_OK, "QEMU finds this stream bad");
	fuzz_require(!is_good || memcmp(out, expected, bytes) == 0,
		     "QEMU reads other bytes");
	free(in);
	free(out);
	free(expected);
	return 0;
}
