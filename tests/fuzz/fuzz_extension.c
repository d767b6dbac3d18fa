/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Header extensions: two bytes say where the first one stands, the rest is the area. */
#include "format/extension.h"
#include "format/header.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void look_into(const struct q2_extension *extension, const uint8_t *area)
{
	const uint8_t *data = area + extension->head_off + Q2_EXTENSION_HEAD_BYTES;
	struct qcow2bm_error err = {0};
	struct q2_bitmaps_extension bitmaps;
	q2_bitmaps_extension_decode(&bitmaps, data, extension->bytes);
	enum qcow2bm_code code = q2_bitmaps_extension_check(&bitmaps, extension->bytes, 9,
							    extension->head_off, &err);
	fuzz_check_error(code, &err);
	if (code == QCOW2BM_OK) {
		uint8_t again[Q2_EXTENSION_BITMAPS_BYTES];
		q2_bitmaps_extension_encode(&bitmaps, again);
		fuzz_require(memcmp(data, again, sizeof(again)) == 0,
			     "the extension changed on its way through a struct");
		fuzz_require(bitmaps.directory_off % 512 == 0 &&
				     bitmaps.directory_off != 0,
			     "bitmap_directory_offset");
	}
	struct q2_encryption_extension encryption;
	err = (struct qcow2bm_error){0};
	code = q2_encryption_extension_decode(&encryption, data, extension->bytes,
					      extension->head_off, &err);
	fuzz_check_error(code, &err);
	fuzz_require(code != QCOW2BM_OK ||
			     encryption.header_off <= INT64_MAX - encryption.header_bytes,
		     "the encryption header is over 2^63-1");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	uint64_t off = fuzz_number(&input, 2), before;
	struct q2_extension extension;
	struct qcow2bm_error err = {0};
	size_t bytes = input.left;
	uint8_t *area = fuzz_copy(input.bytes, bytes);
	enum qcow2bm_code code;
	do {
		before = off;
		code = q2_extension_next(&extension, area, bytes, &off, &err);
		fuzz_check_error(code, &err);
		if (code != QCOW2BM_OK || extension.type == Q2_EXTENSION_END)
			break;
		fuzz_require(off > before && off <= bytes, "the walk does not go on");
		fuzz_require(extension.head_off == before, "head_off");
		look_into(&extension, area);
	} while (true);
	free(area);
	return 0;
}
