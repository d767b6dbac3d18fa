/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* L2 entries: the host ranges that standard and compressed ones name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../libqcow2bm/format/mapping.h"

static void expect_range(uint64_t entry, unsigned cluster_bits, uint64_t off,
			 uint64_t bytes)
{
	struct q2_mapping_range range = q2_mapping_l2_range(entry, cluster_bits);
	if (range.off != off || range.bytes != bytes)
		fail_msg("0x%llx: 0x%llx, %llu bytes", (unsigned long long)entry,
			 (unsigned long long)range.off, (unsigned long long)range.bytes);
}

static void test_entry_shift(void **state)
{
	(void)state;
	assert_int_equal(q2_mapping_entry_shift(false), 3);
	assert_int_equal(q2_mapping_entry_shift(true), 4);
}

static void test_nothing(void **state)
{
	(void)state;
	expect_range(0, 16, 0, 0);
	expect_range(Q2_MAPPING_ZERO, 16, 0, 0);
	expect_range(Q2_MAPPING_COPIED, 16, 0, 0); /* an external data file's cluster 0 */
	expect_range(0x3f000000000001feull, 16, 0, 0); /* reserved bits alone */
}

static void test_standard(void **state)
{
	(void)state;
	for (unsigned cluster_bits = 9; cluster_bits <= 21; cluster_bits++) {
		uint64_t bytes = 1ull << cluster_bits;
		for (unsigned bit = cluster_bits; bit <= 55; bit++) {
			uint64_t off = 1ull << bit;
			expect_range(off, cluster_bits, off, bytes);
			expect_range(off | Q2_MAPPING_COPIED, cluster_bits, off, bytes);
			/* A preallocated zero cluster is the guest's too. */
			expect_range(off | Q2_MAPPING_ZERO, cluster_bits, off, bytes);
		}
	}
	expect_range(0xbfffffffffffffffull, 9, 0x00fffffffffffe00, 512);
}

static uint64_t compressed(unsigned cluster_bits, uint64_t off, uint64_t additional)
{
	return Q2_MAPPING_COMPRESSED | additional << (62 - (cluster_bits - 8)) | off;
}

static void test_compressed(void **state)
{
	(void)state;
	/* 64 KiB: bits 54..61 count sectors. */
	expect_range(0x4000000000050000ull, 16, 0x50000, 512);
	expect_range(0x40400000000501ffull, 16, 0x50000, 1024);
	expect_range(0x4040000000050200ull, 16, 0x50200, 1024);
	expect_range(0x7fc0000000050345ull, 16, 0x50200, 256 * 512);
	expect_range(0x7fffffffffffffffull, 16, 0x003ffffffffffe00, 256 * 512);
	/* A wrong bit 63 does not make it a standard one. */
	expect_range(0xc000000000050000ull, 16, 0x50000, 512);
	expect_range(Q2_MAPPING_COMPRESSED, 16, 0, 512);
}

static void test_compressed_all_cluster_sizes(void **state)
{
	(void)state;
	for (unsigned cluster_bits = 9; cluster_bits <= 21; cluster_bits++) {
		uint64_t most = (1ull << (cluster_bits - 8)) - 1;
		uint64_t high = 1ull << (61 - (cluster_bits - 8));
		expect_range(compressed(cluster_bits, high + 513, 0), cluster_bits,
			     high + 512, 512);
		expect_range(compressed(cluster_bits, 511, most), cluster_bits, 0,
			     (most + 1) * 512);
		expect_range(compressed(cluster_bits, high * 2 - 1, most), cluster_bits,
			     high * 2 - 512, (most + 1) * 512);
	}
}

static void subclusters_with_data_or_zeros(void **state)
{
	(void)state;
	const uint64_t off = 0x50000, copied = (uint64_t)1 << 63;
	assert_int_equal(q2_mapping_subclusters(0, 0), 0);
	assert_int_equal(q2_mapping_subclusters(copied | off, 0),
			 0); /* allocated ahead */
	assert_int_equal(q2_mapping_subclusters(copied | off, 0x80000001), 0x80000001);
	assert_int_equal(q2_mapping_subclusters(0, (uint64_t)0xff00 << 32), 0xff00);
	assert_int_equal(q2_mapping_subclusters(off, (uint64_t)0xff00 << 32 | 0xff),
			 0xffff);
	assert_int_equal(q2_mapping_subclusters((uint64_t)1 << 62 | off, 0), UINT32_MAX);
	assert_int_equal(q2_mapping_subclusters(off | 1, 0), UINT32_MAX); /* reserved */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subclusters_with_data_or_zeros),
		cmocka_unit_test(test_entry_shift),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_standard),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_compressed_all_cluster_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
