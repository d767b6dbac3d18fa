/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Header extensions: walking an area of every length, and each rule of their data broken
 * once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../libqcow2bm/base/endian.h"
#include "../../libqcow2bm/format/entry.h"
#include "../../libqcow2bm/format/extension.h"

#define HEADER_BYTES 112

/* Extensions of 5, 0 and 24 bytes of data, then the end marker; returns its end. */
static uint64_t write_area(uint8_t *buf)
{
	q2_extension_encode_head(Q2_EXTENSION_BACKING_FORMAT, 5, buf + HEADER_BYTES);
	memcpy(buf + HEADER_BYTES + 8, "qcow2", 5);
	q2_extension_encode_head(0x12345678, 0, buf + HEADER_BYTES + 16);
	q2_extension_encode_head(Q2_EXTENSION_BITMAPS, 24, buf + HEADER_BYTES + 24);
	q2_extension_encode_head(Q2_EXTENSION_END, 0, buf + HEADER_BYTES + 56);
	return HEADER_BYTES + 64;
}

static void expect_next(const uint8_t *buf, uint64_t area_end, uint64_t *off,
			uint32_t type, uint32_t bytes, uint64_t head_off,
			uint64_t off_after)
{
	struct q2_extension extension;
	struct qcow2bm_error err = {0};
	assert_int_equal(q2_extension_next(&extension, buf, area_end, off, &err),
			 QCOW2BM_OK);
	assert_int_equal(err.code, QCOW2BM_OK);
	assert_int_equal(extension.type, type);
	assert_int_equal(extension.bytes, bytes);
	assert_int_equal(extension.head_off, head_off);
	assert_int_equal(*off, off_after);
}

static void test_walk(void **state)
{
	(void)state;
	uint8_t buf[512] = {0};
	write_area(buf);
	uint64_t off = HEADER_BYTES;
	expect_next(buf, 512, &off, Q2_EXTENSION_BACKING_FORMAT, 5, 112, 128);
	expect_next(buf, 512, &off, 0x12345678, 0, 128, 136);
	expect_next(buf, 512, &off, Q2_EXTENSION_BITMAPS, 24, 136, 168);
	expect_next(buf, 512, &off, Q2_EXTENSION_END, 0, 168, 176);
}

/* Of an area that ends too early, every extension is either whole, or refused, or the
 * area ends where the next head does not fit. The heap shows reads past the end. */
static void test_truncation(void **state)
{
	(void)state;
	static const uint64_t heads[] = {112, 128, 136, 168};
	static const uint64_t data_ends[] = {125, 136, 168, 176};
	uint8_t buf[512] = {0};
	uint64_t full = write_area(buf);
	for (uint64_t end = HEADER_BYTES; end <= full; end++) {
		uint8_t *copy = malloc(end);
		assert_non_null(copy);
		memcpy(copy, buf, end);
		uint64_t off = HEADER_BYTES;
		for (size_t i = 0; i < 4; i++) {
			struct q2_extension extension;
			struct qcow2bm_error err = {0};
			uint64_t before = off;
			enum qcow2bm_code code =
				q2_extension_next(&extension, copy, end, &off, &err);
			if (end < heads[i] + 8) {
				assert_int_equal(code, QCOW2BM_OK);
				assert_int_equal(extension.type, Q2_EXTENSION_END);
				assert_int_equal(off, before);
				break;
			}
			if (end < data_ends[i]) {
				assert_int_equal(code, QCOW2BM_EIMAGE);
				assert_int_equal(err.offset, heads[i]);
				break;
			}
			assert_int_equal(code, QCOW2BM_OK);
			assert_int_equal(extension.head_off, heads[i]);
			assert_true(off <= end);
		}
		free(copy);
	}
}

static void test_padding_cut_by_the_area(void **state)
{
	(void)state;
	uint8_t buf[512] = {0};
	uint64_t off = HEADER_BYTES;
	q2_extension_encode_head(Q2_EXTENSION_DATA_FILE, 5, buf + HEADER_BYTES);
	expect_next(buf, 125, &off, Q2_EXTENSION_DATA_FILE, 5, 112, 125);
	expect_next(buf, 125, &off, Q2_EXTENSION_END, 0, 125, 125);
}

static void test_no_area(void **state)
{
	(void)state;
	uint8_t buf[8] = {0xff};
	uint64_t off = 200;
	expect_next(buf, 112, &off, Q2_EXTENSION_END, 0, 200, 200);
	off = UINT64_MAX;
	expect_next(buf, 112, &off, Q2_EXTENSION_END, 0, UINT64_MAX, UINT64_MAX);
}

static void test_too_long(void **state)
{
	(void)state;
	static const uint32_t types[] = {Q2_EXTENSION_END, Q2_EXTENSION_BITMAPS,
					 0xffffffff};
	static const uint32_t lengths[] = {393, 0x80000000, 0xfffffff8, UINT32_MAX};
	for (size_t t = 0; t < 3; t++) {
		for (size_t l = 0; l < 4; l++) {
			uint8_t buf[512] = {0};
			uint64_t off = HEADER_BYTES;
			struct q2_extension extension;
			struct qcow2bm_error err = {0};
			q2_extension_encode_head(types[t], lengths[l], buf + off);
			assert_int_equal(
				q2_extension_next(&extension, buf, 512, &off, &err),
				QCOW2BM_EIMAGE);
			assert_int_equal(err.offset, HEADER_BYTES);
			assert_non_null(strstr(err.sentence, "only 392 are left"));
		}
	}
	uint8_t buf[512] = {0};
	uint64_t off = HEADER_BYTES;
	q2_extension_encode_head(0xffffffff, 392, buf + off);
	expect_next(buf, 512, &off, 0xffffffff, 392, 112, 512);
}

static const struct q2_bitmaps_extension sound = {
	.nb_bitmaps = 3,
	.directory_bytes = 96,
	.directory_off = 0x50000,
};

static enum qcow2bm_code decode_bitmaps(struct q2_bitmaps_extension bitmaps,
					uint32_t bytes, struct qcow2bm_error *err)
{
	uint8_t data[Q2_EXTENSION_BITMAPS_BYTES];
	struct q2_bitmaps_extension decoded;
	q2_bitmaps_extension_encode(&bitmaps, data);
	q2_bitmaps_extension_decode(&decoded, data, bytes);
	return q2_bitmaps_extension_check(&decoded, bytes, 16, 1000, err);
}

static void expect_bitmaps_refused(struct q2_bitmaps_extension bitmaps, uint64_t off,
				   const char *sentence)
{
	struct qcow2bm_error err = {0};
	assert_int_equal(decode_bitmaps(bitmaps, 24, &err), QCOW2BM_EIMAGE);
	assert_int_equal(err.offset, off);
	if (strstr(err.sentence, sentence) == NULL)
		fail_msg("%s", err.sentence);
	assert_int_equal(decode_bitmaps(bitmaps, 24, NULL), QCOW2BM_EIMAGE);
}

static void test_bitmaps_round_trip(void **state)
{
	(void)state;
	uint8_t data[24];
	static const uint8_t expected[24] = {0, 0, 0, 3,  0, 0, 0, 0, 0, 0, 0, 0,
					     0, 0, 0, 96, 0, 0, 0, 0, 0, 5, 0, 0};
	struct q2_bitmaps_extension decoded;
	q2_bitmaps_extension_encode(&sound, data);
	assert_memory_equal(data, expected, sizeof(data));
	q2_bitmaps_extension_decode(&decoded, data, 24);
	assert_int_equal(q2_bitmaps_extension_check(&decoded, 24, 16, 0, NULL),
			 QCOW2BM_OK);
	assert_true(decoded.nb_bitmaps == 3 && decoded.reserved == 0);
	assert_true(decoded.directory_bytes == 96 && decoded.directory_off == 0x50000);
}

static void test_bitmaps_length(void **state)
{
	(void)state;
	for (uint32_t bytes = 0; bytes <= 32; bytes++) {
		struct qcow2bm_error err = {0};
		assert_int_equal(decode_bitmaps(sound, bytes, &err),
				 bytes == 24 ? QCOW2BM_OK : QCOW2BM_EIMAGE);
		assert_true(bytes == 24 || err.offset == 1000);
	}
}

static void test_bitmaps_rules(void **state)
{
	(void)state;
	struct q2_bitmaps_extension bitmaps = sound;
	bitmaps.reserved = 5;
	expect_bitmaps_refused(bitmaps, 1004, "0x5 instead of 0");
	bitmaps = sound;
	bitmaps.nb_bitmaps = 0;
	expect_bitmaps_refused(bitmaps, 1000, "nb_bitmaps 0 is outside 1..65535");
	bitmaps.nb_bitmaps = 65536;
	expect_bitmaps_refused(bitmaps, 1000, "nb_bitmaps 65536 is outside");
	bitmaps.nb_bitmaps = 65535;
	assert_int_equal(decode_bitmaps(bitmaps, 24, NULL), QCOW2BM_OK);
	bitmaps = sound;
	bitmaps.directory_bytes = 0;
	expect_bitmaps_refused(bitmaps, 1008, "bitmap_directory_size 0 is outside");
	bitmaps.directory_bytes = Q2_DIRECTORY_MAX_BYTES + 1;
	expect_bitmaps_refused(bitmaps, 1008, "bitmap_directory_size 67107841");
	bitmaps.directory_bytes = Q2_DIRECTORY_MAX_BYTES;
	assert_int_equal(decode_bitmaps(bitmaps, 24, NULL), QCOW2BM_OK);
	bitmaps = sound;
	bitmaps.directory_off = 0x50200;
	expect_bitmaps_refused(bitmaps, 1016, "bitmap_directory_offset 328192 is not");
	bitmaps.directory_off = 0;
	expect_bitmaps_refused(bitmaps, 1016, "bitmap_directory_offset 0 is");
	bitmaps.directory_off = 0x8000000000000000;
	expect_bitmaps_refused(bitmaps, 1016, "over 2^63-1");
	bitmaps.directory_off = 0x7fffffffffff0000;
	assert_int_equal(decode_bitmaps(bitmaps, 24, NULL), QCOW2BM_OK);
}

static enum qcow2bm_code decode_encryption(uint64_t off, uint64_t bytes,
					   uint32_t data_bytes,
					   struct q2_encryption_extension *decoded,
					   struct qcow2bm_error *err)
{
	uint8_t data[16];
	q2_be64_store(data, off);
	q2_be64_store(data + 8, bytes);
	return q2_encryption_extension_decode(decoded, data, data_bytes, 1000, err);
}

static void test_encryption(void **state)
{
	(void)state;
	struct q2_encryption_extension decoded;
	struct qcow2bm_error err = {0};
	assert_int_equal(decode_encryption(0x40000, 2068480, 16, &decoded, &err),
			 QCOW2BM_OK);
	assert_true(decoded.header_off == 0x40000 && decoded.header_bytes == 2068480);
	for (uint32_t bytes = 0; bytes <= 24; bytes++)
		assert_int_equal(decode_encryption(0x40000, 9, bytes, &decoded, NULL),
				 bytes == 16 ? QCOW2BM_OK : QCOW2BM_EIMAGE);
	assert_int_equal(decode_encryption(0, 1, 16, &decoded, NULL), QCOW2BM_EIMAGE);
	assert_int_equal(
		decode_encryption(0x40000, INT64_MAX - 0x40000, 16, &decoded, NULL),
		QCOW2BM_OK);
	assert_int_equal(
		decode_encryption(0x40000, INT64_MAX - 0x3ffff, 16, &decoded, &err),
		QCOW2BM_EIMAGE);
	assert_int_equal(err.offset, 1000);
	assert_int_equal(decode_encryption(UINT64_MAX, 2, 16, &decoded, NULL),
			 QCOW2BM_EIMAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_padding_cut_by_the_area),
		cmocka_unit_test(test_no_area),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_bitmaps_round_trip),
		cmocka_unit_test(test_bitmaps_length),
		cmocka_unit_test(test_bitmaps_rules),
		cmocka_unit_test(test_encryption),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
