/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Manifests. First byte 0: the rest is one as it stands. 1: the target's own, with words changed (2 bytes
 * of place, 4 of word), and 2: the same, with its checks made right afterwards, so that what is
 * behind them is reached.
 */
#include "fuzz.h"
#include "guest/manifest_file.h"
#include "../support/memory_storage.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define OWN_BYTES 512

/* A disk of 10 granules of 512 bytes: 3 of zeros, 2 hashes, 4 of zeros, 1 hash. */
static size_t make_own(uint8_t *bytes)
{
	static const uint8_t text[] = "disk.qcow2 chk";
	const struct q2_manifest_name names[] = {
		{.bytes = text, .count = 10},
		{text + 11, 3, Q2_MANIFEST_IS_KNOWN, 1024},
	};
	struct q2_manifest_header header = {.hash = Q2_MANIFEST_XXH3,
					    .granularity_bits = 9,
					    .disk_bytes = 10 * 512 - 5,
					    .name_count = 1};
	q2_manifest_encode_header(&header, names, bytes);
	size_t at = header.header_bytes;
	at += q2_manifest_encode_record(&header, Q2_MANIFEST_ZEROS, 0, 3, bytes + at);
	at += q2_manifest_encode_record(&header, Q2_MANIFEST_HASHES, 3, 2, bytes + at);
	at += q2_manifest_encode_record(&header, Q2_MANIFEST_ZEROS, 5, 4, bytes + at);
	at += q2_manifest_encode_record(&header, Q2_MANIFEST_HASHES, 9, 1, bytes + at);
	at += q2_manifest_encode_record(&header, Q2_MANIFEST_END, 10, 0, bytes + at);
	return at;
}

/* Makes the checks right, as far as heads lead to them. */
static void correct(uint8_t *bytes, size_t size)
{
	struct q2_manifest_header header;
	struct q2_manifest_record record;
	uint64_t first = 0;
	if (size < Q2_MANIFEST_FIXED_BYTES ||
	    q2_manifest_decode_fixed(&header, bytes, NULL) != QCOW2BM_OK ||
	    header.header_bytes > size)
		return;
	size_t checked = header.header_bytes - Q2_MANIFEST_CHECK_BYTES;
	header.check = XXH3_64bits(bytes, checked);
	for (unsigned i = 0; i < 8; i++)
		bytes[checked + i] = (uint8_t)(header.check >> (56 - 8 * i));
	size_t at = header.header_bytes;
	while (size - at >= Q2_MANIFEST_RECORD_HEAD_BYTES &&
	       q2_manifest_decode_record(&record, &header, NULL, bytes + at, first, at,
					 NULL) == QCOW2BM_OK &&
	       record.bytes <= size - at) {
		q2_manifest_encode_record(&header, record.kind, first, record.granules,
					  bytes + at);
		first += record.granules;
		at += record.bytes;
	}
}

/* Granules that are asked for in any order lie in records that cover them. */
static void walk(struct q2_manifest_file *file)
{
	uint64_t all = q2_manifest_granules(&file->header), at = 0;
	const uint8_t *hashes;
	struct qcow2bm_error err = {0};
	for (unsigned turns = 0; at < all && turns < 1000; turns++) {
		uint64_t end;
		enum qcow2bm_code code =
			q2_manifest_file_find(file, at, &hashes, &end, &err);
		fuzz_require(code == QCOW2BM_OK && end > at && end <= all,
			     "granule %llu of %llu is in none", (unsigned long long)at,
			     (unsigned long long)all);
		at = end;
	}
	if (all != 0)
		fuzz_require(q2_manifest_file_find(file, 0, &hashes, &at, &err) ==
				     QCOW2BM_OK,
			     "the first granule is not found again");
	struct q2_manifest_name name = q2_manifest_first_name(file->header_bytes);
	for (uint32_t i = 0; i <= file->header.name_count; i++) {
		name = i == 0 ? name : q2_manifest_next_name(&name);
		fuzz_require(name.bytes + name.count <=
				     file->header_bytes + file->header.header_bytes,
			     "a name leaves the header");
	}
}

static void open_and_walk(const uint8_t *bytes, size_t size)
{
	struct memory_file memory = {0};
	struct q2_manifest_file file;
	struct qcow2bm_error err = {0};
	memory_file_fill(&memory, bytes, size);
	struct q2_storage *storage = memory_storage_open(&memory);
	enum qcow2bm_code code = q2_manifest_file_open(&file, storage, NULL, &err);
	fuzz_check_error(code, &err);
	if (code == QCOW2BM_OK)
		walk(&file);
	q2_manifest_file_close(&file);
	q2_storage_close(storage);
	memory_file_free(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	uint8_t kind = fuzz_byte(&input);
	uint8_t *own = calloc(1, OWN_BYTES);
	size_t bytes = make_own(own);
	while (kind != 0 && input.left != 0) {
		size_t place = (size_t)fuzz_number(&input, 2) % bytes;
		for (unsigned i = 0; i < 4 && place + i < bytes; i++)
			own[place + i] = fuzz_byte(&input);
	}
	if (kind > 1)
		correct(own, bytes);
	open_and_walk(kind == 0 ? input.bytes : own, kind == 0 ? input.left : bytes);
	free(own);
	return 0;
}
