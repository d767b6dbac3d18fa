/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an L2 entry says of its cluster, or of a subcluster; and what QEMU would not read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guest/entry.h"

#define COMPRESSED ((uint64_t)1 << 62)
#define COPIED ((uint64_t)1 << 63)

static struct q2_l2_form make_form(bool is_extended, bool has_data_file)
{
	const struct q2_header header = {
		.cluster_bits = 16,
		.incompatible_features = (is_extended ? Q2_INCOMPATIBLE_EXTENDED_L2 : 0) |
					 (has_data_file ? Q2_INCOMPATIBLE_DATA_FILE : 0)};
	return q2_l2_form(&header);
}

static void expect(const struct q2_l2_form *form, uint64_t first, uint64_t second,
		   unsigned subcluster, enum q2_guest_kind kind, uint64_t place,
		   unsigned subclusters)
{
	struct q2_guest_entry entry;
	assert_null(q2_guest_entry_decode(&entry, form, 3, first, second, subcluster));
	assert_int_equal(entry.kind, kind);
	assert_int_equal(entry.place, place);
	assert_int_equal(entry.subclusters, subclusters);
}

static void refuse(const struct q2_l2_form *form, unsigned version, uint64_t first,
		   uint64_t second)
{
	struct q2_guest_entry entry;
	assert_non_null(q2_guest_entry_decode(&entry, form, version, first, second, 0));
}

static void test_standard(void **state)
{
	const struct q2_l2_form form = make_form(false, false);
	(void)state;
	expect(&form, 0, 0, 0, Q2_GUEST_UNALLOCATED, Q2_GUEST_NO_PLACE, 1);
	expect(&form, COPIED, 0, 0, Q2_GUEST_UNALLOCATED, Q2_GUEST_NO_PLACE, 1);
	expect(&form, COPIED | 0x50000, 0, 0, Q2_GUEST_DATA, 0x50000, 1);
	expect(&form, 1, 0, 0, Q2_GUEST_ZERO, Q2_GUEST_NO_PLACE, 1);
	expect(&form, COPIED | 0x50001, 0, 0, Q2_GUEST_ZERO, 0x50000, 1);
	refuse(&form, 3, 0x50200, 0);
	refuse(&form, 3, 0x50201, 0);
	refuse(&form, 2, 1, 0);
	refuse(&form, 2, 0x50001, 0);
}

static void test_compressed(void **state)
{
	const struct q2_l2_form form = make_form(false, false);
	const struct q2_l2_form external = make_form(false, true);
	struct q2_guest_entry entry;
	(void)state;
	/* Of 64-KiB clusters the place has 54 bits, the sectors behind the first one 8. */
	uint64_t first = COMPRESSED | (uint64_t)3 << 54 | 0x12345;
	assert_null(q2_guest_entry_decode(&entry, &form, 2, first, 0, 0));
	assert_int_equal(entry.kind, Q2_GUEST_COMPRESSED);
	assert_int_equal(entry.place, 0x12345);
	assert_int_equal(entry.stream_bytes, 4 * 512 - 0x145);
	refuse(&external, 3, first, 0);
}

static void test_subclusters(void **state)
{
	const struct q2_l2_form form = make_form(true, false);
	const uint64_t zeros = (uint64_t)0xf0 << 32, data = 0xff00;
	(void)state;
	expect(&form, 0, zeros, 0, Q2_GUEST_UNALLOCATED, Q2_GUEST_NO_PLACE, 4);
	expect(&form, 0, zeros, 5, Q2_GUEST_ZERO, Q2_GUEST_NO_PLACE, 3);
	expect(&form, 0x50000, zeros | data, 1, Q2_GUEST_UNALLOCATED, 0x50000, 3);
	expect(&form, 0x50000, zeros | data, 4, Q2_GUEST_ZERO, 0x50000, 4);
	expect(&form, 0x50000, zeros | data, 8, Q2_GUEST_DATA, 0x50000, 8);
	expect(&form, 0x50000, zeros | data, 16, Q2_GUEST_UNALLOCATED, 0x50000, 16);
	expect(&form, 0x50000, 0xffffffff, 31, Q2_GUEST_DATA, 0x50000, 1);
	/* The lowest bit of the first half means nothing here. */
	expect(&form, 0x50001, 0xffffffff, 0, Q2_GUEST_DATA, 0x50000, 32);
	refuse(&form, 3, 0, 1);
	refuse(&form, 3, 0x50000, (uint64_t)1 << 32 | 1);
	refuse(&form, 3, 0x50200, 1);
}

/* In an external file data may stand at 0, where the flag tells. */
static void test_data_file(void **state)
{
	const struct q2_l2_form form = make_form(false, true);
	(void)state;
	expect(&form, 0, 0, 0, Q2_GUEST_UNALLOCATED, Q2_GUEST_NO_PLACE, 1);
	expect(&form, COPIED, 0, 0, Q2_GUEST_DATA, 0, 1);
	expect(&form, COPIED | 1, 0, 0, Q2_GUEST_ZERO, Q2_GUEST_NO_PLACE, 1);
	expect(&form, COPIED | 0x50000, 0, 0, Q2_GUEST_DATA, 0x50000, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_standard),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_subclusters),
		cmocka_unit_test(test_data_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
