/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image header: each rule broken once, both sides of each limit, all lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../libqcow2bm/base/endian.h"
#include "../../libqcow2bm/format/header.h"

#define BUF_BYTES 512
#define GIB (1ull << 30)
#define MAX_CHANGES 4

/* A sound version 3 header of 64 KiB clusters, 1 GiB, backing file and two snapshots. */
static struct q2_header sound(void)
{
	return (struct q2_header){
		.version = 3,
		.backing_file_off = 400,
		.backing_file_bytes = 9,
		.cluster_bits = 16,
		.virtual_bytes = GIB,
		.l1_entries = 2,
		.l1_table_off = 0x30000,
		.refcount_table_off = 0x10000,
		.refcount_table_clusters = 1,
		.nb_snapshots = 2,
		.snapshots_off = 0x70000,
		.autoclear_features = Q2_AUTOCLEAR_BITMAPS,
		.refcount_order = 4,
		.header_bytes = 112,
	};
}

struct change {
	unsigned off;
	unsigned bytes; /* of the field: 1, 4 or 8; 0 for no change */
	uint64_t value;
};

static void apply(uint8_t *buf, const struct change *change)
{
	if (change->bytes == 1)
		buf[change->off] = (uint8_t)change->value;
	else if (change->bytes == 4)
		q2_be32_store(buf + change->off, (uint32_t)change->value);
	else if (change->bytes == 8)
		q2_be64_store(buf + change->off, change->value);
}

static void encode_changed(uint8_t *buf, const struct q2_header *header,
			   const struct change *changes, size_t count)
{
	memset(buf, 0, BUF_BYTES);
	q2_header_encode(header, buf);
	for (size_t i = 0; i < count; i++)
		apply(buf, &changes[i]);
}

struct broken {
	struct change changes[MAX_CHANGES];
	enum qcow2bm_code code;
	uint64_t off;         /* where the error points to */
	const char *sentence; /* a part of it */
};

static const struct broken broken[] = {
	{{{0, 4, 0x514649fa}}, QCOW2BM_ENOTQCOW2, 0, "image is not in qcow2 format"},
	{{{4, 4, 1}}, QCOW2BM_EUNSUPPORTED, 4, "version 1 "},
	{{{4, 4, 4}}, QCOW2BM_EUNSUPPORTED, 4, "version 4 "},
	{{{8, 8, 111}}, QCOW2BM_EIMAGE, 8, "backing_file_offset 111 is inside"},
	{{{8, 8, 65536 - 8}}, QCOW2BM_EIMAGE, 8, "9 bytes at 65528"},
	{{{8, 8, 65537}}, QCOW2BM_EIMAGE, 8, "at 65537"},
	{{{8, 8, UINT64_MAX}}, QCOW2BM_EIMAGE, 8, "not inside the first cluster"},
	{{{16, 4, 1024}}, QCOW2BM_EIMAGE, 16, "backing_file_size 1024 is over 1023"},
	{{{20, 4, 7}}, QCOW2BM_EIMAGE, 20, "cluster_bits 7 is outside 9..21"},
	{{{20, 4, 8}}, QCOW2BM_EIMAGE, 20, "cluster_bits 8 is outside 9..21"},
	{{{20, 4, 22}}, QCOW2BM_EUNSUPPORTED, 20, "cluster_bits 22 is outside"},
	{{{20, 4, UINT32_MAX}}, QCOW2BM_EUNSUPPORTED, 20, "4294967295"},
	{{{24, 8, GIB + 512}}, QCOW2BM_EIMAGE, 36, "l1_size 2 is under 3"},
	{{{24, 8, UINT64_MAX}}, QCOW2BM_EIMAGE, 36, "l1_size 2 is under"},
	{{{32, 4, 3}}, QCOW2BM_EUNSUPPORTED, 32, "crypt_method 3 is unknown"},
	{{{36, 4, 1}}, QCOW2BM_EIMAGE, 36, "l1_size 1 is under 2"},
	{{{36, 4, 4194305}}, QCOW2BM_EIMAGE, 36, "l1_size 4194305 is over 4194304"},
	{{{40, 8, 0x30200}}, QCOW2BM_EIMAGE, 40, "l1_table_offset 197120 is not"},
	{{{40, 8, 0}}, QCOW2BM_EIMAGE, 40, "l1_table_offset 0 is"},
	{{{40, 8, 1ull << 63}}, QCOW2BM_EIMAGE, 40, "over 2^63-1"},
	{{{48, 8, 0x10001}}, QCOW2BM_EIMAGE, 48, "refcount_table_offset 65537"},
	{{{48, 8, 0}}, QCOW2BM_EIMAGE, 48, "refcount_table_offset 0"},
	{{{48, 8, 0x7fffffffffff0000}}, QCOW2BM_EIMAGE, 48, "over 2^63-1"},
	{{{56, 4, 0}}, QCOW2BM_EIMAGE, 56, "refcount_table_clusters 0"},
	{{{56, 4, 129}}, QCOW2BM_EIMAGE, 56, "129 is outside 1..128"},
	{{{60, 4, 65537}}, QCOW2BM_EIMAGE, 60, "nb_snapshots 65537 is over 65536"},
	{{{64, 8, 0x70008}}, QCOW2BM_EIMAGE, 64, "snapshots_offset 458760"},
	{{{64, 8, 0}}, QCOW2BM_EIMAGE, 64, "snapshots_offset 0"},
	{{{64, 8, 0xffffffffffff0000}}, QCOW2BM_EIMAGE, 64, "over 2^63-1"},
	{{{60, 4, 0}, {64, 8, 8}}, QCOW2BM_EIMAGE, 64, "snapshots_offset 8"},
	{{{72, 8, 0x20}}, QCOW2BM_EUNSUPPORTED, 72, "unknown bits 0x20"},
	{{{72, 8, 1ull << 63}}, QCOW2BM_EUNSUPPORTED, 72, "0x8000000000000000"},
	{{{72, 8, 0x10}, {20, 4, 13}}, QCOW2BM_EIMAGE, 20, "cluster_bits 13"},
	{{{72, 8, 0x10}}, QCOW2BM_EIMAGE, 36, "l1_size 2 is under 4"},
	{{{72, 8, 0x8}}, QCOW2BM_EIMAGE, 104, "compression_type is 0"},
	{{{104, 1, 1}}, QCOW2BM_EIMAGE, 104, "compression_type is 1"},
	{{{72, 8, 0x8}, {100, 4, 104}, {104, 1, 1}},
	 QCOW2BM_EIMAGE,
	 104,
	 "compression_type is 0"},
	{{{72, 8, 0x8}, {104, 1, 2}},
	 QCOW2BM_EUNSUPPORTED,
	 104,
	 "compression_type 2 is unknown"},
	{{{96, 4, 7}}, QCOW2BM_EIMAGE, 96, "refcount_order 7 is over 6"},
	{{{100, 4, 72}}, QCOW2BM_EIMAGE, 100, "header_length 72 is under 104"},
	{{{100, 4, 96}}, QCOW2BM_EIMAGE, 100, "header_length 96 is under 104"},
	{{{100, 4, 108}}, QCOW2BM_EIMAGE, 100, "108 is not a multiple of 8"},
	{{{100, 4, 65544}}, QCOW2BM_EIMAGE, 100, "65544 is over the cluster size"},
};

static void test_each_rule_broken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		uint8_t buf[BUF_BYTES];
		struct q2_header header = sound();
		encode_changed(buf, &header, broken[i].changes, MAX_CHANGES);
		struct qcow2bm_error err = {0};
		enum qcow2bm_code code = q2_header_decode(&header, buf, BUF_BYTES, &err);
		if (code != broken[i].code || err.code != code ||
		    err.offset != broken[i].off ||
		    strstr(err.sentence, broken[i].sentence) == NULL)
			fail_msg("case %zu: code %d, offset %llu: %s", i, (int)code,
				 (unsigned long long)err.offset, err.sentence);
		assert_int_equal(q2_header_decode(&header, buf, BUF_BYTES, NULL), code);
	}
}

static const struct change allowed[][MAX_CHANGES] = {
	{{0, 0, 0}},
	{{8, 8, 0}, {16, 4, UINT32_MAX}}, /* undefined without a backing file */
	{{8, 8, 112}},
	{{8, 8, 65536 - 9}},
	{{8, 8, 65536}, {16, 4, 0}},
	{{16, 4, 1023}},
	{{16, 4, 0}},
	{{20, 4, 21}, {40, 8, 0x200000}, {48, 8, 0x400000}, {64, 8, 0x600000}},
	{{24, 8, 0}, {36, 4, 0}, {40, 8, 0}}, /* as qemu-img makes it */
	{{32, 4, 1}},
	{{32, 4, 2}},
	{{36, 4, 4194304}},
	{{24, 8, 2ull << 50}, {36, 4, 4194304}},
	{{40, 8, 0x7ffffffffffe0000}},
	{{48, 8, 0x7ffffffffffe0000}},
	{{56, 4, 128}},
	{{60, 4, 65536}},
	{{60, 4, 0}, {64, 8, 0}},
	{{72, 8, 0x7}},
	{{72, 8, 0x8}, {104, 1, 1}},
	{{72, 8, 0x10}, {36, 4, 4}},
	{{72, 8, 0x10}, {20, 4, 14}, {36, 4, 64}},
	{{80, 8, UINT64_MAX}},
	{{88, 8, UINT64_MAX}},
	{{96, 4, 0}},
	{{96, 4, 6}},
	{{100, 4, 104}},
	{{100, 4, 120}},
	{{100, 4, 65536}, {8, 8, 0}},
};

static void test_each_limit_allowed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		uint8_t buf[BUF_BYTES], again[BUF_BYTES];
		struct q2_header header = sound();
		encode_changed(buf, &header, allowed[i], MAX_CHANGES);
		struct qcow2bm_error err = {0};
		if (q2_header_decode(&header, buf, BUF_BYTES, &err) != QCOW2BM_OK)
			fail_msg("case %zu: %s", i, err.sentence);
		assert_int_equal(err.code, QCOW2BM_OK);
		memset(again, 0, sizeof(again));
		q2_header_encode(&header, again);
		assert_memory_equal(again, buf, sizeof(buf));
	}
}

/* The largest disk: the L1 table's limit keeps all sizes under 2^61. */
static void test_largest_disk(void **state)
{
	(void)state;
	struct q2_header header = sound();
	header.cluster_bits = 21;
	header.virtual_bytes = 1ull << 61;
	header.l1_entries = 4194304;
	header.l1_table_off = header.refcount_table_off = header.snapshots_off = 1u << 21;
	uint8_t buf[BUF_BYTES];
	encode_changed(buf, &header, NULL, 0);
	assert_int_equal(q2_header_decode(&header, buf, BUF_BYTES, NULL), QCOW2BM_OK);
	assert_true(header.virtual_bytes == 1ull << 61);
	q2_be64_store(buf + 24, (1ull << 61) + 512);
	assert_int_equal(q2_header_decode(&header, buf, BUF_BYTES, NULL), QCOW2BM_EIMAGE);
}

static void test_512_byte_clusters(void **state)
{
	(void)state;
	struct q2_header header = sound();
	header.cluster_bits = 9;
	header.virtual_bytes = 32768;
	header.l1_entries = 1;
	header.refcount_table_off = 512;
	header.refcount_table_clusters = 16384;
	uint8_t buf[BUF_BYTES];
	encode_changed(buf, &header, NULL, 0);
	assert_int_equal(q2_header_decode(&header, buf, BUF_BYTES, NULL), QCOW2BM_OK);
	q2_be32_store(buf + 56, 16385);
	assert_int_equal(q2_header_decode(&header, buf, BUF_BYTES, NULL), QCOW2BM_EIMAGE);
}

/* qemu-img info shows 1048576 for a size of 1048676. */
static void test_size_in_whole_sectors(void **state)
{
	(void)state;
	struct q2_header header = sound();
	uint8_t buf[BUF_BYTES];
	encode_changed(buf, &header, &(struct change){24, 8, 1048676}, 1);
	assert_int_equal(q2_header_decode(&header, buf, BUF_BYTES, NULL), QCOW2BM_OK);
	assert_true(header.virtual_bytes == 1048576);
}

static void test_round_trip(void **state)
{
	(void)state;
	struct q2_header header = sound(), decoded;
	header.incompatible_features =
		Q2_INCOMPATIBLE_DIRTY | Q2_INCOMPATIBLE_COMPRESSION;
	header.compatible_features = 0x123456789abcdef0;
	header.autoclear_features = 0xfedcba9876543210;
	header.crypt_method = 2;
	header.compression_type = 1;
	uint8_t buf[BUF_BYTES];
	encode_changed(buf, &header, NULL, 0);
	memset(&decoded, 0xff, sizeof(decoded));
	assert_int_equal(q2_header_decode(&decoded, buf, BUF_BYTES, NULL), QCOW2BM_OK);
	assert_int_equal(decoded.version, 3);
	assert_true(decoded.backing_file_off == 400 && decoded.backing_file_bytes == 9);
	assert_true(decoded.cluster_bits == 16 && decoded.virtual_bytes == GIB);
	assert_true(decoded.crypt_method == 2 && decoded.l1_entries == 2);
	assert_true(decoded.l1_table_off == 0x30000);
	assert_true(decoded.refcount_table_off == 0x10000);
	assert_true(decoded.refcount_table_clusters == 1);
	assert_true(decoded.nb_snapshots == 2 && decoded.snapshots_off == 0x70000);
	assert_true(decoded.incompatible_features == 0x9);
	assert_true(decoded.compatible_features == 0x123456789abcdef0);
	assert_true(decoded.autoclear_features == 0xfedcba9876543210);
	assert_true(decoded.refcount_order == 4 && decoded.header_bytes == 112);
	assert_int_equal(decoded.compression_type, 1);
	assert_true(q2_header_cluster_bytes(&decoded) == 65536);
}

static void test_version_2(void **state)
{
	(void)state;
	struct q2_header header = sound(), decoded;
	header.version = 2;
	uint8_t buf[BUF_BYTES];
	memset(buf, 0xff, sizeof(buf)); /* what follows in version 2 are no fields */
	q2_header_encode(&header, buf);
	for (size_t i = 72; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0xff);
	assert_int_equal(q2_header_decode(&decoded, buf, 72, NULL), QCOW2BM_OK);
	assert_true(decoded.version == 2 && decoded.header_bytes == 72);
	assert_true(decoded.refcount_order == 4 && decoded.compression_type == 0);
	assert_true(decoded.incompatible_features == 0);
	assert_true(decoded.compatible_features == 0 && decoded.autoclear_features == 0);
}

/* Bytes that others may give a meaning to survive a rewrite. */
static void test_encode_keeps_unknown_bytes(void **state)
{
	(void)state;
	for (uint32_t header_bytes = 104; header_bytes <= 128; header_bytes += 8) {
		struct q2_header header = sound();
		header.header_bytes = header_bytes;
		uint8_t buf[BUF_BYTES];
		memset(buf, 0xa5, sizeof(buf));
		q2_header_encode(&header, buf);
		assert_int_equal(buf[104], header_bytes > 104 ? 0 : 0xa5);
		for (size_t i = 105; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 0xa5);
	}
}

/* A heap copy of each length, so that a read past its end is seen. */
static void check_truncations(const struct q2_header *header, size_t needed)
{
	uint8_t buf[BUF_BYTES];
	encode_changed(buf, header, NULL, 0);
	for (size_t bytes = 0; bytes <= 120; bytes++) {
		uint8_t *copy = malloc(bytes + 1);
		assert_non_null(copy);
		uint8_t *part = copy + 1; /* unaligned too */
		memcpy(part, buf, bytes);
		struct q2_header decoded;
		struct qcow2bm_error err = {0};
		enum qcow2bm_code expected = bytes < 4        ? QCOW2BM_ENOTQCOW2
					     : bytes < needed ? QCOW2BM_EIMAGE
							      : QCOW2BM_OK;
		assert_int_equal(q2_header_decode(&decoded, part, bytes, &err), expected);
		if (expected == QCOW2BM_EIMAGE) {
			char text[32];
			snprintf(text, sizeof(text), "after %zu bytes", bytes);
			assert_non_null(strstr(err.sentence, text));
		}
		free(copy);
	}
}

static void test_truncation(void **state)
{
	(void)state;
	struct q2_header header = sound();
	check_truncations(&header, 112);
	header.header_bytes = 104;
	check_truncations(&header, 104);
	header.version = 2;
	check_truncations(&header, 72);
}

static void test_check_place(void **state)
{
	(void)state;
	static const struct {
		uint64_t place, bytes;
		uint32_t cluster_bits;
		enum qcow2bm_code code;
	} cases[] = {
		{512, 512, 9, QCOW2BM_OK},
		{513, 512, 9, QCOW2BM_EIMAGE},
		{0, 0, 9, QCOW2BM_OK},
		{0, 1, 9, QCOW2BM_EIMAGE},
		{1, 1, 0, QCOW2BM_OK},
		{INT64_MAX - 511, 511, 9, QCOW2BM_OK},
		{INT64_MAX - 511, 512, 9, QCOW2BM_EIMAGE},
		{512, INT64_MAX - 512, 9, QCOW2BM_OK},
		{512, INT64_MAX - 511, 9, QCOW2BM_EIMAGE},
		{512, UINT64_MAX, 9, QCOW2BM_EIMAGE},
		{UINT64_MAX - 511, 512, 9, QCOW2BM_EIMAGE},
		{UINT64_MAX - 511, 0, 9, QCOW2BM_EIMAGE},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qcow2bm_error err = {0};
		assert_int_equal(q2_header_check_place("field", cases[i].place,
						       cases[i].bytes,
						       cases[i].cluster_bits, 77, &err),
				 cases[i].code);
		assert_int_equal(err.code, cases[i].code);
		assert_true(cases[i].code == QCOW2BM_OK || err.offset == 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_rule_broken),
		cmocka_unit_test(test_each_limit_allowed),
		cmocka_unit_test(test_largest_disk),
		cmocka_unit_test(test_512_byte_clusters),
		cmocka_unit_test(test_size_in_whole_sectors),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_version_2),
		cmocka_unit_test(test_encode_keeps_unknown_bytes),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_check_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
