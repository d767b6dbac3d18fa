/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries of the bitmap directory: bytes, lengths, and each rule broken once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../libqcow2bm/base/endian.h"
#include "../../libqcow2bm/format/entry.h"
#include "../../libqcow2bm/format/table.h"

#define TIB (1ull << 40)

static const uint8_t extra[] = {0xe1, 0xe2, 0xe3};
static const uint8_t name[] = {'a', 0xff, 0, '/', 'z'};

/* 1 TiB at 64 KiB: 2 MiB of bits, 32 clusters of 64 KiB. */
static struct q2_directory_entry sound(void)
{
	return (struct q2_directory_entry){
		.table_off = 0x123450000,
		.table_entries = 32,
		.flags = Q2_DIRECTORY_FLAG_AUTO,
		.type = Q2_DIRECTORY_TYPE_DIRTY,
		.granularity_bits = 16,
		.name_bytes = sizeof(name),
		.name = name,
	};
}

static const struct q2_header header = {.cluster_bits = 16, .virtual_bytes = TIB};

static void test_encoded_bytes(void **state)
{
	(void)state;
	static const uint8_t expected[] = {
		0,    0,    0,    1,
		0x23, 0x45, 0,    0, /* bitmap_table_offset */
		0,    0,    0,    32,
		0,    0,    0,    2, /* bitmap_table_size, flags */
		1,    16,   0,    5,
		0,    0,    0,    3, /* type, granularity, lengths */
		0xe1, 0xe2, 0xe3, 'a',
		0xff, 0,    '/',  'z' /* extra data, name */
	};
	struct q2_directory_entry entry = sound();
	entry.extra = extra;
	entry.extra_bytes = sizeof(extra);
	uint8_t buf[40];
	memset(buf, 0xa5, sizeof(buf));
	assert_int_equal(q2_directory_entry_bytes(&entry), sizeof(expected));
	q2_directory_entry_encode(&entry, buf);
	assert_memory_equal(buf, expected, sizeof(expected));
	assert_int_equal(buf[sizeof(expected)], 0xa5);
}

/* All lengths of name and extra data around the padding, and every truncation of each. */
static void check_lengths(uint16_t name_bytes, uint32_t extra_bytes)
{
	static const uint8_t bytes[32] = "0123456789abcdefghijklmnopqrstu";
	struct q2_directory_entry entry = sound(), decoded;
	entry.name = bytes;
	entry.name_bytes = name_bytes;
	entry.extra = bytes + 7;
	entry.extra_bytes = extra_bytes;
	size_t used = 24u + name_bytes + extra_bytes;
	size_t padded = (used + 7) / 8 * 8, entry_bytes = 0;
	uint8_t *buf = malloc(padded);
	assert_non_null(buf);
	memset(buf, 0xa5, padded);
	assert_int_equal(q2_directory_entry_bytes(&entry), padded);
	q2_directory_entry_encode(&entry, buf);
	for (size_t i = used; i < padded; i++)
		assert_int_equal(buf[i], 0);
	assert_int_equal(
		q2_directory_entry_decode(&decoded, buf, padded, &entry_bytes, 0, NULL),
		QCOW2BM_OK);
	assert_int_equal(entry_bytes, padded);
	assert_int_equal(decoded.name_bytes, name_bytes);
	assert_int_equal(decoded.extra_bytes, extra_bytes);
	assert_memory_equal(decoded.name, entry.name, name_bytes);
	assert_memory_equal(decoded.extra, entry.extra, extra_bytes);
	assert_true(decoded.table_off == entry.table_off);
	assert_true(decoded.table_entries == 32 && decoded.flags == 2);
	assert_true(decoded.type == 1 && decoded.granularity_bits == 16);
	for (size_t cut = 0; cut < padded; cut++) {
		uint8_t *copy = malloc(cut + 1);
		assert_non_null(copy);
		memcpy(copy + 1, buf, cut);
		struct qcow2bm_error err = {0};
		assert_int_equal(q2_directory_entry_decode(&decoded, copy + 1, cut,
							   &entry_bytes, 4096, &err),
				 QCOW2BM_EIMAGE);
		assert_int_equal(err.offset, 4096);
		free(copy);
	}
	free(buf);
}

static void test_lengths(void **state)
{
	(void)state;
	for (uint16_t name_bytes = 0; name_bytes <= 17; name_bytes++) {
		for (uint32_t extra_bytes = 0; extra_bytes <= 9; extra_bytes++)
			check_lengths(name_bytes, extra_bytes);
	}
}

static void test_huge_lengths(void **state)
{
	(void)state;
	static const uint32_t lengths[] = {0x7fffffff, 0xffffffe0, 0xffffffe8,
					   UINT32_MAX};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct q2_directory_entry entry = sound(), decoded;
		uint8_t buf[64] = {0};
		size_t entry_bytes;
		struct qcow2bm_error err = {0};
		q2_directory_entry_encode(&entry, buf);
		q2_be32_store(buf + 20, lengths[i]);
		assert_int_equal(q2_directory_entry_decode(&decoded, buf, sizeof(buf),
							   &entry_bytes, 0, &err),
				 QCOW2BM_EIMAGE);
		assert_non_null(strstr(err.sentence, "extra_data_size"));
	}
}

static void test_sound(void **state)
{
	(void)state;
	struct q2_directory_entry entry = sound();
	for (uint32_t flags = 0; flags <= 7; flags++) {
		entry.flags = flags;
		assert_int_equal(q2_directory_entry_check(&entry, &header, 0, NULL),
				 QCOW2BM_OK);
	}
	entry.name_bytes = 1023;
	assert_int_equal(q2_directory_entry_check(&entry, &header, 0, NULL), QCOW2BM_OK);
	entry.name_bytes = 1;
	assert_int_equal(q2_directory_entry_check(&entry, &header, 0, NULL), QCOW2BM_OK);
	entry.table_off = 0x7fffffffffff0000;
	assert_int_equal(q2_directory_entry_check(&entry, &header, 0, NULL), QCOW2BM_OK);
}

static void expect_refused(struct q2_directory_entry entry, const struct q2_header *of,
			   uint64_t off, const char *sentence)
{
	struct qcow2bm_error err = {0};
	assert_int_equal(q2_directory_entry_check(&entry, of, 1000, &err),
			 QCOW2BM_EIMAGE);
	assert_int_equal(err.code, QCOW2BM_EIMAGE);
	if (err.offset != off || strstr(err.sentence, sentence) == NULL)
		fail_msg("offset %llu: %s", (unsigned long long)err.offset, err.sentence);
	assert_int_equal(q2_directory_entry_check(&entry, of, 1000, NULL),
			 QCOW2BM_EIMAGE);
}

static void test_field_rules(void **state)
{
	(void)state;
	struct q2_directory_entry entry = sound();
	entry.type = 0;
	expect_refused(entry, &header, 1016, "type 0 is not 1");
	entry.type = 2;
	expect_refused(entry, &header, 1016, "type 2 is not 1");
	for (unsigned bit = 3; bit < 32; bit++) {
		entry = sound();
		entry.flags |= 1u << bit;
		expect_refused(entry, &header, 1012, "reserved bits");
	}
	entry = sound();
	entry.flags = 0x12;
	expect_refused(entry, &header, 1012, "flags 0x12");
	entry = sound();
	entry.name_bytes = 0;
	expect_refused(entry, &header, 1018, "name_size 0 is outside 1..1023");
	entry.name_bytes = 1024;
	expect_refused(entry, &header, 1018, "name_size 1024 is outside 1..1023");
	entry = sound();
	entry.granularity_bits = 64;
	expect_refused(entry, &header, 1017, "granularity_bits 64 is over 63");
	entry.granularity_bits = 255;
	expect_refused(entry, &header, 1017, "granularity_bits 255");
	entry = sound();
	entry.table_off = 0;
	expect_refused(entry, &header, 1000, "bitmap_table_offset 0");
	entry.table_off = 0x10200;
	expect_refused(entry, &header, 1000, "bitmap_table_offset 66048 is not");
	entry.table_off = 0x8000000000000000;
	expect_refused(entry, &header, 1000, "over 2^63-1");
	entry.table_off = 0xffffffffffff0000;
	expect_refused(entry, &header, 1000, "over 2^63-1");
}

static void test_table_size(void **state)
{
	(void)state;
	struct q2_directory_entry entry = sound();
	entry.table_entries = 0;
	expect_refused(entry, &header, 1008, "bitmap_table_size 0 is outside 1..8192");
	entry.table_entries = 31;
	expect_refused(entry, &header, 1008, "bitmap_table_size 31 is not the 32");
	entry.table_entries = 33;
	expect_refused(entry, &header, 1008, "bitmap_table_size 33 is not the 32");
	entry.table_entries = 8193;
	expect_refused(entry, &header, 1008, "bitmap_table_size 8193 is outside");
	entry.table_entries = UINT32_MAX;
	expect_refused(entry, &header, 1008, "bitmap_table_size 4294967295 is outside");
}

/* Of a bitmap in use the size may be that of before a resize, but not over the limits. */
static void test_table_size_in_use(void **state)
{
	(void)state;
	struct q2_directory_entry entry = sound();
	entry.flags = Q2_DIRECTORY_FLAG_IN_USE;
	static const uint32_t allowed[] = {1, 31, 33, 8192};
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		entry.table_entries = allowed[i];
		assert_int_equal(q2_directory_entry_check(&entry, &header, 0, NULL),
				 QCOW2BM_OK);
	}
	entry.table_entries = 0;
	expect_refused(entry, &header, 1008, "bitmap_table_size 0");
	entry.table_entries = 8193;
	expect_refused(entry, &header, 1008, "bitmap_table_size 8193");
}

/* 512 MiB of bits at each cluster size, and the least more that a disk can ask for. */
static void test_largest_bitmap(void **state)
{
	(void)state;
	for (uint32_t bits = 9; bits <= 21; bits++) {
		struct q2_header largest = {.cluster_bits = bits,
					    .virtual_bytes = 1ull << (32 + 9)};
		struct q2_directory_entry entry = sound();
		entry.granularity_bits = 9;
		entry.table_off = 1ull << 21;
		entry.table_entries = (512u << 20) >> bits;
		assert_int_equal(q2_directory_entry_check(&entry, &largest, 0, NULL),
				 QCOW2BM_OK);
		largest.virtual_bytes += 512;
		entry.table_entries++;
		expect_refused(entry, &largest, 1008, "is outside 1..");
	}
}

static void test_every_granularity(void **state)
{
	(void)state;
	for (uint8_t bits = 0; bits <= 63; bits++) {
		struct q2_directory_entry entry = sound();
		struct q2_header small = {.cluster_bits = 9, .virtual_bytes = 1 << 20};
		entry.granularity_bits = bits;
		entry.table_entries =
			(uint32_t)q2_table_shape(small.virtual_bytes, bits, 9).entries;
		assert_true(entry.table_entries >= 1);
		assert_int_equal(q2_directory_entry_check(&entry, &small, 0, NULL),
				 QCOW2BM_OK);
	}
}

/* QEMU 7.2 stores no bitmap there (it loses it with a message) and opens none. */
static void test_disk_of_no_bytes(void **state)
{
	(void)state;
	struct q2_header empty = {.cluster_bits = 16};
	struct q2_directory_entry entry = sound();
	entry.table_entries = 1;
	expect_refused(entry, &empty, 1008, "bitmap_table_size 1 is not the 0");
	entry.table_entries = 0;
	expect_refused(entry, &empty, 1008, "bitmap_table_size 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encoded_bytes),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_huge_lengths),
		cmocka_unit_test(test_sound),
		cmocka_unit_test(test_field_rules),
		cmocka_unit_test(test_table_size),
		cmocka_unit_test(test_table_size_in_use),
		cmocka_unit_test(test_largest_bitmap),
		cmocka_unit_test(test_every_granularity),
		cmocka_unit_test(test_disk_of_no_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
