/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries of the snapshot table: QEMU's own, all lengths of extra data, truncation,
 * limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../libqcow2bm/base/endian.h"
#include "../../libqcow2bm/format/snapshot.h"

#define VIRTUAL_BYTES (1ull << 30)
#define TABLE_OFF 0x70000

/* Two entries as qemu-img 7.2 writes them; the file ends with the last name. */
static const uint8_t qemu_table[] = {
	0,    0,    0,   0,    0,    4,    0,    0,    0,    0,    0, 1, 0, 1,    0,
	3,    0x6b, 1,   0x6b, 0xc2, 6,    0xb9, 0x5b, 0xf8, 0,    0, 0, 0, 0,    0,
	0,    0,    0,   0,    0,    0,    0,    0,    0,    0x18, 0, 0, 0, 0,    0,
	0,    0,    0,   0,    0,    0,    0,    0,    0x10, 0,    0, 0, 0, 0,    0,
	0,    0,    0,   0,    '1',  'o',  'n',  'e',  0,    0,    0, 0, 0, 0,    0,
	0,    0,    6,   0,    0,    0,    0,    0,    1,    0,    1, 0, 4, 0x6b, 1,
	0x6b, 0xc2, 7,   8,    0xb0, 0x90, 0,    0,    0,    0,    0, 0, 0, 0,    0,
	0,    0,    0,   0,    0,    0,    0x18, 0,    0,    0,    0, 0, 0, 0,    0,
	0,    0,    0,   0,    0,    0x10, 0,    0,    0,    0,    0, 0, 0, 0,    0,
	0,    '2',  't', 'w',  'o',  'x'};

static void test_table_of_qemu(void **state)
{
	(void)state;
	struct q2_snapshot snapshot;
	size_t entry_bytes = 0, left = sizeof(qemu_table);
	assert_int_equal(q2_snapshot_decode(&snapshot, qemu_table, left, VIRTUAL_BYTES,
					    &entry_bytes, TABLE_OFF, NULL),
			 QCOW2BM_OK);
	assert_int_equal(entry_bytes, 72);
	assert_int_equal(q2_snapshot_bytes(qemu_table), 72);
	assert_true(snapshot.l1_table_off == 0x40000 && snapshot.l1_entries == 1);
	assert_true(snapshot.id_bytes == 1 && snapshot.id[0] == '1');
	assert_true(snapshot.name_bytes == 3);
	assert_memory_equal(snapshot.name, "one", 3);
	assert_true(snapshot.date_sec == 0x6b016bc2 && snapshot.date_nsec == 0x06b95bf8);
	assert_true(snapshot.vm_clock_nsec == 0 && snapshot.vm_state_bytes == 0);
	assert_true(snapshot.disk_bytes == 1 << 20 && snapshot.icount == 0);
	left -= entry_bytes;
	assert_int_equal(q2_snapshot_decode(&snapshot, qemu_table + 72, left,
					    VIRTUAL_BYTES, &entry_bytes, TABLE_OFF + 72,
					    NULL),
			 QCOW2BM_OK);
	assert_int_equal(entry_bytes, left); /* without the padding that is not there */
	assert_int_equal(q2_snapshot_bytes(qemu_table + 72), 72);
	assert_true(snapshot.l1_table_off == 0x60000);
	assert_memory_equal(snapshot.id, "2", 1);
	assert_memory_equal(snapshot.name, "twox", 4);
}

/* An entry with id "id7" and name "snap"; returns its bytes without padding. */
static size_t write_entry(uint8_t *buf, uint32_t extra_bytes)
{
	memset(buf, 0, Q2_SNAPSHOT_HEAD_BYTES);
	q2_be64_store(buf, 0x40000);
	q2_be32_store(buf + 8, 5);
	q2_be16_store(buf + 12, 3);
	q2_be16_store(buf + 14, 4);
	q2_be32_store(buf + 16, 1111);
	q2_be32_store(buf + 20, 2222);
	q2_be64_store(buf + 24, 0x1122334455667788);
	q2_be32_store(buf + 32, 3333);
	q2_be32_store(buf + 36, extra_bytes);
	for (uint32_t i = 0; i < extra_bytes; i++)
		buf[40 + i] = (uint8_t)(i + 1);
	memcpy(buf + 40 + extra_bytes, "id7snap", 7);
	return 47 + (size_t)extra_bytes;
}

static void test_extra_data(void **state)
{
	(void)state;
	for (uint32_t extra = 0; extra <= 1024; extra += extra < 40 ? 1 : 41) {
		uint8_t buf[1200];
		size_t bytes = write_entry(buf, extra), entry_bytes = 0;
		size_t padded = (bytes + 7) / 8 * 8;
		struct q2_snapshot snapshot;
		assert_int_equal(q2_snapshot_bytes(buf), padded);
		assert_int_equal(q2_snapshot_decode(&snapshot, buf, sizeof(buf),
						    VIRTUAL_BYTES, &entry_bytes, 0, NULL),
				 QCOW2BM_OK);
		assert_int_equal(entry_bytes, padded);
		assert_true(snapshot.l1_table_off == 0x40000 && snapshot.l1_entries == 5);
		assert_true(snapshot.date_sec == 1111 && snapshot.date_nsec == 2222);
		assert_true(snapshot.vm_clock_nsec == 0x1122334455667788);
		assert_true(snapshot.vm_state_bytes ==
			    (extra >= 8 ? 0x0102030405060708 : 3333));
		assert_true(snapshot.disk_bytes ==
			    (extra >= 16 ? 0x090a0b0c0d0e0f10 : VIRTUAL_BYTES));
		assert_true(snapshot.icount ==
			    (extra >= 24 ? 0x1112131415161718 : UINT64_MAX));
		assert_true(snapshot.id_bytes == 3 && snapshot.name_bytes == 4);
		assert_memory_equal(snapshot.id, "id7", 3);
		assert_memory_equal(snapshot.name, "snap", 4);
	}
}

static void test_truncation(void **state)
{
	(void)state;
	static const uint32_t extras[] = {0, 8, 16, 24, 30};
	for (size_t e = 0; e < sizeof(extras) / sizeof(extras[0]); e++) {
		uint8_t buf[128] = {0};
		size_t needed = write_entry(buf, extras[e]), entry_bytes;
		for (size_t bytes = 0; bytes <= needed; bytes++) {
			uint8_t *copy = malloc(bytes + 1);
			assert_non_null(copy);
			memcpy(copy + 1, buf, bytes);
			struct q2_snapshot snapshot;
			struct qcow2bm_error err = {0};
			assert_int_equal(q2_snapshot_decode(&snapshot, copy + 1, bytes,
							    VIRTUAL_BYTES, &entry_bytes,
							    TABLE_OFF, &err),
					 bytes < needed ? QCOW2BM_EIMAGE : QCOW2BM_OK);
			assert_true(bytes == needed || err.offset == TABLE_OFF);
			free(copy);
		}
	}
}

/* No id, no name, no extra data: the head is all there is. */
static void test_bare_head(void **state)
{
	(void)state;
	uint8_t buf[128];
	struct q2_snapshot snapshot;
	size_t entry_bytes = 0;
	write_entry(buf, 0);
	q2_be32_store(buf + 12, 0);
	assert_int_equal(q2_snapshot_decode(&snapshot, buf, 40, 0, &entry_bytes, 0, NULL),
			 QCOW2BM_OK);
	assert_int_equal(entry_bytes, 40);
	assert_true(snapshot.id_bytes == 0 && snapshot.name_bytes == 0);
}

static void expect_refused(const uint8_t *buf, uint64_t off, const char *sentence)
{
	struct q2_snapshot snapshot;
	struct qcow2bm_error err = {0};
	size_t entry_bytes;
	assert_int_equal(q2_snapshot_decode(&snapshot, buf, 1200, VIRTUAL_BYTES,
					    &entry_bytes, TABLE_OFF, &err),
			 QCOW2BM_EIMAGE);
	if (err.offset != off || strstr(err.sentence, sentence) == NULL)
		fail_msg("offset %llu: %s", (unsigned long long)err.offset, err.sentence);
}

static void test_limits(void **state)
{
	(void)state;
	uint8_t buf[1200] = {0};
	struct q2_snapshot snapshot;
	size_t entry_bytes;
	write_entry(buf, 1025);
	expect_refused(buf, TABLE_OFF + 36, "1025 bytes, over 1024");
	q2_be32_store(buf + 36, UINT32_MAX);
	expect_refused(buf, TABLE_OFF + 36, "4294967295 bytes");
	assert_true(q2_snapshot_bytes(buf) ==
		    (40 + (uint64_t)UINT32_MAX + 7 + 7) / 8 * 8);
	write_entry(buf, 0);
	q2_be16_store(buf + 12, 65535);
	expect_refused(buf, TABLE_OFF, "an entry of 65579");
	write_entry(buf, 0);
	q2_be32_store(buf + 8, 4194304);
	assert_int_equal(
		q2_snapshot_decode(&snapshot, buf, 1200, 0, &entry_bytes, 0, NULL),
		QCOW2BM_OK);
	q2_be32_store(buf + 8, 4194305);
	expect_refused(buf, TABLE_OFF + 8, "4194305 entries, over 4194304");
	write_entry(buf, 0);
	q2_be64_store(buf, 0);
	expect_refused(buf, TABLE_OFF, "L1 table offset of a snapshot 0");
	q2_be64_store(buf, INT64_MAX - 40);
	assert_int_equal(
		q2_snapshot_decode(&snapshot, buf, 1200, 0, &entry_bytes, 0, NULL),
		QCOW2BM_OK);
	q2_be64_store(buf, INT64_MAX - 39);
	expect_refused(buf, TABLE_OFF, "over 2^63-1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_of_qemu), cmocka_unit_test(test_extra_data),
		cmocka_unit_test(test_truncation),    cmocka_unit_test(test_bare_head),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
