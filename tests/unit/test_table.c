/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bitmap tables: each reserved bit, alignment, and the shape of bitmaps of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../libqcow2bm/base/endian.h"
#include "../../libqcow2bm/format/table.h"

static enum qcow2bm_code decode_one(uint64_t raw, uint32_t cluster_bits, uint64_t *entry,
				    struct qcow2bm_error *err)
{
	uint8_t buf[8];
	q2_be64_store(buf, raw);
	return q2_table_decode(entry, buf, 1, cluster_bits, 0, err);
}

static void test_each_bit(void **state)
{
	(void)state;
	for (uint32_t cluster_bits = 9; cluster_bits <= 21; cluster_bits++) {
		for (unsigned bit = 0; bit < 64; bit++) {
			uint64_t raw = 1ull << bit, entry = 0;
			bool sound = bit == 0 || (bit >= cluster_bits && bit <= 55);
			struct qcow2bm_error err = {0};
			assert_int_equal(decode_one(raw, cluster_bits, &entry, &err),
					 sound ? QCOW2BM_OK : QCOW2BM_EIMAGE);
			assert_true(!sound || entry == raw);
			bool reserved = (raw & Q2_TABLE_RESERVED_MASK) != 0;
			if (!sound)
				assert_non_null(
					strstr(err.sentence, reserved ? "reserved bits"
								      : "cluster size"));
		}
	}
}

static void test_kinds(void **state)
{
	(void)state;
	uint64_t entry;
	struct qcow2bm_error err = {0};
	assert_int_equal(decode_one(0, 16, &entry, NULL), QCOW2BM_OK);
	assert_true(entry == Q2_TABLE_ZEROS && !q2_table_is_data(entry));
	assert_int_equal(decode_one(1, 16, &entry, NULL), QCOW2BM_OK);
	assert_true(entry == Q2_TABLE_ONES && !q2_table_is_data(entry));
	assert_int_equal(decode_one(0x00ffffffffff0000, 16, &entry, NULL), QCOW2BM_OK);
	assert_true(q2_table_is_data(entry));
	assert_int_equal(decode_one(0x10001, 16, &entry, &err), QCOW2BM_EIMAGE);
	assert_non_null(strstr(err.sentence, "0x10001: both all-one and an offset"));
	assert_int_equal(decode_one(0x3, 16, &entry, NULL), QCOW2BM_EIMAGE);
}

static void test_first_bad_entry_is_named(void **state)
{
	(void)state;
	uint64_t entries[9];
	for (uint32_t bad = 0; bad < 9; bad++) {
		uint8_t buf[sizeof(entries)] = {0};
		q2_be64_store(buf + 8 * (size_t)bad, 2);
		q2_be64_store(buf + 64, 4);
		struct qcow2bm_error err = {0};
		assert_int_equal(q2_table_decode(entries, buf, 9, 16, 0x20000, &err),
				 QCOW2BM_EIMAGE);
		char text[] = "entry 0 is 0x2";
		text[6] = (char)('0' + bad);
		text[13] = bad == 8 ? '4' : '2';
		assert_non_null(strstr(err.sentence, text));
		assert_true(err.offset == 0x20000 + 8 * bad);
		assert_int_equal(q2_table_decode(entries, buf, bad, 16, 0, NULL),
				 QCOW2BM_OK);
	}
}

/* Heap of exactly the size, unaligned; in place too, as the header allows. */
static void test_round_trip(void **state)
{
	(void)state;
	enum { COUNT = 1000 };
	uint64_t entries[COUNT], decoded[COUNT];
	for (uint32_t i = 0; i < COUNT; i++)
		entries[i] = i % 3 == 0 ? i % 2 : (uint64_t)i << 40 | (uint64_t)i << 21;
	uint8_t *memory = malloc(COUNT * 8 + 1);
	assert_non_null(memory);
	q2_table_encode(entries, memory + 1, COUNT);
	assert_true(q2_be64_load(memory + 1 + 8 * 7) == entries[7]);
	assert_int_equal(q2_table_decode(decoded, memory + 1, COUNT, 21, 0, NULL),
			 QCOW2BM_OK);
	assert_memory_equal(decoded, entries, sizeof(entries));
	memcpy(decoded, memory + 1, sizeof(decoded));
	assert_int_equal(q2_table_decode(decoded, (uint8_t *)decoded, COUNT, 21, 0, NULL),
			 QCOW2BM_OK);
	assert_memory_equal(decoded, entries, sizeof(entries));
	free(memory);
}

struct shape_case {
	uint64_t virtual_bytes;
	unsigned granularity_bits, cluster_bits;
	struct q2_table_shape shape;
};

static const struct shape_case shapes[] = {
	{0, 16, 16, {0, 0, 0, 524288}},
	{1, 16, 16, {1, 8, 1, 524288}},
	{65536, 16, 16, {1, 8, 1, 524288}},
	{65537, 16, 16, {2, 8, 1, 524288}},
	{64ull << 16, 16, 16, {64, 8, 1, 524288}},
	{65ull << 16, 16, 16, {65, 16, 1, 524288}},
	{1ull << 35, 16, 16, {524288, 65536, 1, 524288}},
	{(1ull << 35) + 1, 16, 16, {524289, 65544, 2, 524288}},
	{1ull << 40, 16, 16, {1 << 24, 1 << 21, 32, 524288}},
	{1ull << 21, 9, 9, {4096, 512, 1, 4096}},
	{(1ull << 21) + 1, 9, 9, {4097, 520, 2, 4096}},
	{1ull << 46, 9, 21, {1ull << 37, 1ull << 34, 8192, 1 << 24}},
	{1, 63, 21, {1, 8, 1, 1 << 24}},
	{1ull << 63, 63, 9, {1, 8, 1, 4096}},
	{UINT64_MAX, 63, 9, {2, 8, 1, 4096}},
	{UINT64_MAX, 0, 9, {UINT64_MAX, 1ull << 61, 1ull << 52, 4096}},
	{UINT64_MAX, 0, 21, {UINT64_MAX, 1ull << 61, 1ull << 40, 1 << 24}},
	{UINT64_MAX - 63, 0, 9, {UINT64_MAX - 63, (1ull << 61) - 8, 1ull << 52, 4096}},
	{UINT64_MAX, 1, 9, {1ull << 63, 1ull << 60, 1ull << 51, 4096}},
};

static void test_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct shape_case *c = &shapes[i];
		struct q2_table_shape shape = q2_table_shape(
			c->virtual_bytes, c->granularity_bits, c->cluster_bits);
		if (memcmp(&shape, &c->shape, sizeof(shape)) != 0)
			fail_msg("case %zu: bits %llu, bytes %llu, entries %llu", i,
				 (unsigned long long)shape.bits,
				 (unsigned long long)shape.bytes,
				 (unsigned long long)shape.entries);
	}
}

/* What holds for every shape: the last granule, word and cluster are started, not more.
 */
static void test_shape_bounds(void **state)
{
	(void)state;
	for (unsigned g = 0; g <= 63; g++) {
		for (unsigned c = 9; c <= 21; c++) {
			for (unsigned s = 0; s < 64; s++) {
				for (uint64_t d = 0; d <= 2; d++) {
					uint64_t size = (1ull << s) - 1 + d;
					struct q2_table_shape shape =
						q2_table_shape(size, g, c);
					if (size == 0)
						continue;
					assert_true(shape.bits - 1 == (size - 1) >> g);
					assert_true(shape.bytes / 8 - 1 ==
						    (shape.bits - 1) / 64);
					assert_true(shape.entries - 1 ==
						    (shape.bytes - 1) >> c);
				}
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_bit),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_first_bad_entry_is_named),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_shape_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
