/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the recording twin, and with it of the storage in memory. */
#include "../support/record_storage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SECTOR RECORD_SECTOR_BYTES

struct bench {
	struct memory_file file;
	struct record_log log;
	struct q2_storage *storage;
};

/* Four sectors of 'a'. */
static struct bench bench_open(void)
{
	static struct bench empty;
	struct bench bench = empty;
	uint8_t start[4 * SECTOR];
	memset(start, 'a', sizeof(start));
	memory_file_fill(&bench.file, start, sizeof(start));
	return bench;
}

static void bench_close(struct bench *bench)
{
	q2_storage_close(bench->storage);
	record_log_free(&bench->log);
	memory_file_free(&bench->file);
}

static void fill(struct bench *bench, char c, size_t bytes, uint64_t off)
{
	uint8_t buf[4 * SECTOR];
	memset(buf, c, sizeof(buf));
	assert_int_equal(q2_storage_write(bench->storage, buf, bytes, off, NULL),
			 QCOW2BM_OK);
}

static void assert_same(const struct memory_file *a, const struct memory_file *b)
{
	assert_int_equal(a->length, b->length);
	assert_memory_equal(a->bytes, b->bytes, a->length);
}

static void test_memory_has_an_end(void **state)
{
	(void)state;
	struct bench bench = bench_open();
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	uint8_t buf[8];
	bench.storage = memory_storage_open(&bench.file);
	assert_int_equal(q2_storage_read(bench.storage, buf, 8, 4 * SECTOR - 8, &err),
			 QCOW2BM_OK);
	assert_int_equal(buf[7], 'a');
	assert_int_equal(q2_storage_read(bench.storage, buf, 8, 4 * SECTOR - 7, &err),
			 QCOW2BM_EIMAGE);
	assert_non_null(strstr(err.sentence, "the file ends at byte 2048"));
	assert_int_equal(q2_storage_read(bench.storage, buf, 8, UINT64_MAX - 3, NULL),
			 QCOW2BM_EIMAGE);
	bench_close(&bench);
}

static void test_memory_grows_to_its_limit(void **state)
{
	(void)state;
	struct bench bench = bench_open();
	uint64_t length;
	bench.file.limit = 5 * SECTOR;
	bench.storage = memory_storage_open(&bench.file);
	fill(&bench, 'b', 1, 5 * SECTOR - 1);
	assert_int_equal(bench.file.bytes[4 * SECTOR], 0);
	assert_int_equal(bench.file.bytes[5 * SECTOR - 1], 'b');
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	assert_int_equal(q2_storage_write(bench.storage, "b", 1, 5 * SECTOR, &err),
			 QCOW2BM_ESYSTEM);
	assert_int_equal(q2_storage_write(bench.storage, "bb", 2, UINT64_MAX, NULL),
			 QCOW2BM_ESYSTEM);
	assert_int_equal(q2_storage_resize(bench.storage, 5 * SECTOR + 1, NULL),
			 QCOW2BM_ESYSTEM);
	assert_int_equal(q2_storage_resize(bench.storage, 7, NULL), QCOW2BM_OK);
	assert_int_equal(q2_storage_length(bench.storage, &length, NULL), QCOW2BM_OK);
	assert_int_equal(length, 7);
	bench.storage->can_grow = false;
	assert_int_equal(q2_storage_write(bench.storage, "bb", 2, 6, NULL),
			 QCOW2BM_ESYSTEM);
	assert_int_equal(q2_storage_resize(bench.storage, 8, NULL), QCOW2BM_EUNSUPPORTED);
	assert_int_equal(bench.file.length, 7);
	bench_close(&bench);
}

static void test_log_has_every_change_in_order(void **state)
{
	(void)state;
	struct bench bench = bench_open();
	uint8_t buf[3];
	bench.storage = record_storage_open(memory_storage_open(&bench.file), &bench.log);
	fill(&bench, 'b', 3, 10);
	assert_int_equal(q2_storage_sync(bench.storage, NULL), QCOW2BM_OK);
	assert_int_equal(q2_storage_read(bench.storage, buf, 3, 10, NULL), QCOW2BM_OK);
	assert_memory_equal(buf, "bbb", 3);
	assert_int_equal(q2_storage_discard(bench.storage, 20, 30, NULL), QCOW2BM_OK);
	assert_int_equal(q2_storage_resize(bench.storage, 100, NULL), QCOW2BM_OK);
	assert_int_equal(bench.log.count, 4);
	assert_int_equal(bench.log.ops[0].kind, RECORD_WRITE);
	assert_int_equal(bench.log.ops[0].off, 10);
	assert_int_equal(bench.log.ops[0].bytes, 3);
	assert_memory_equal(bench.log.ops[0].data, "bbb", 3);
	assert_int_equal(bench.log.ops[1].kind, RECORD_SYNC);
	assert_int_equal(bench.log.ops[2].kind, RECORD_DISCARD);
	assert_int_equal(bench.log.ops[2].off, 20);
	assert_int_equal(bench.log.ops[2].bytes, 30);
	assert_int_equal(bench.log.ops[3].kind, RECORD_RESIZE);
	assert_int_equal(bench.log.ops[3].bytes, 100);
	assert_int_equal(record_log_find(&bench.log, 0, RECORD_SYNC), 1);
	assert_int_equal(record_log_find(&bench.log, 2, RECORD_SYNC), 4);
	bench_close(&bench);
}

static void test_failed_change_is_not_logged(void **state)
{
	(void)state;
	struct bench bench = bench_open();
	bench.file.limit = bench.file.length;
	bench.storage = record_storage_open(memory_storage_open(&bench.file), &bench.log);
	assert_int_equal(q2_storage_write(bench.storage, "b", 1, 4 * SECTOR, NULL),
			 QCOW2BM_ESYSTEM);
	assert_int_equal(q2_storage_resize(bench.storage, 5 * SECTOR, NULL),
			 QCOW2BM_ESYSTEM);
	assert_int_equal(bench.log.count, 0);
	bench_close(&bench);
}

static void test_replay_of_every_prefix(void **state)
{
	(void)state;
	struct bench bench = bench_open();
	struct memory_file seen[6] = {{.bytes = NULL}};
	struct memory_file file = {.bytes = NULL};
	bench.storage = record_storage_open(memory_storage_open(&bench.file), &bench.log);
	memory_file_fill(&seen[0], bench.file.bytes, bench.file.length);
	fill(&bench, 'b', 700, 100);
	memory_file_fill(&seen[1], bench.file.bytes, bench.file.length);
	assert_int_equal(q2_storage_resize(bench.storage, 300, NULL), QCOW2BM_OK);
	memory_file_fill(&seen[2], bench.file.bytes, bench.file.length);
	assert_int_equal(q2_storage_sync(bench.storage, NULL), QCOW2BM_OK);
	memory_file_fill(&seen[3], bench.file.bytes, bench.file.length);
	fill(&bench, 'c', 5, 3000);
	memory_file_fill(&seen[4], bench.file.bytes, bench.file.length);
	assert_int_equal(q2_storage_discard(bench.storage, 50, 60, NULL), QCOW2BM_OK);
	memory_file_fill(&seen[5], bench.file.bytes, bench.file.length);
	assert_int_equal(seen[4].length, 3005);
	for (size_t prefix = 0; prefix <= bench.log.count; prefix++) {
		record_log_replay(&bench.log, prefix, &file);
		assert_same(&file, &seen[prefix]);
		memory_file_free(&seen[prefix]);
	}
	memory_file_free(&file);
	bench_close(&bench);
}

static void test_cut_by_sectors(void **state)
{
	(void)state;
	struct bench bench = bench_open();
	struct memory_file file = {.bytes = NULL};
	bench.storage = record_storage_open(memory_storage_open(&bench.file), &bench.log);
	fill(&bench, 'b', 10, 0);
	assert_int_equal(q2_storage_sync(bench.storage, NULL), QCOW2BM_OK);
	fill(&bench, 'c', SECTOR + 2, SECTOR - 1); /* sectors 0, 1 and 2 */
	assert_int_equal(record_log_pieces(&bench.log, 1, SECTOR), 1);
	assert_int_equal(record_log_pieces(&bench.log, 2, SECTOR), 0);
	assert_int_equal(record_log_pieces(&bench.log, 3, SECTOR), 3);
	assert_int_equal(record_log_pieces(&bench.log, 3, 4096), 1);
	for (unsigned mask = 0; mask < 8; mask++) {
		bool survives[3] = {mask & 1, mask & 2, mask & 4};
		record_log_cut(&bench.log, 3, SECTOR, survives, &file);
		assert_int_equal(file.length, 4 * SECTOR);
		assert_int_equal(file.bytes[9], 'b');
		assert_int_equal(file.bytes[SECTOR - 2], 'a');
		assert_int_equal(file.bytes[SECTOR - 1], mask & 1 ? 'c' : 'a');
		assert_int_equal(file.bytes[SECTOR], mask & 2 ? 'c' : 'a');
		assert_int_equal(file.bytes[2 * SECTOR - 1], mask & 2 ? 'c' : 'a');
		assert_int_equal(file.bytes[2 * SECTOR], mask & 4 ? 'c' : 'a');
		assert_int_equal(file.bytes[2 * SECTOR + 1], 'a');
	}
	memory_file_free(&file);
	bench_close(&bench);
}

static void test_cut_takes_along_what_the_sector_held(void **state)
{
	(void)state;
	struct bench bench = bench_open();
	struct memory_file file = {.bytes = NULL};
	bench.storage = record_storage_open(memory_storage_open(&bench.file), &bench.log);
	fill(&bench, 'b', 1, 0);
	fill(&bench, 'c', 1, SECTOR);
	fill(&bench, 'd', 1, 1);
	bool last[3] = {false, false, true};
	record_log_cut(&bench.log, 3, SECTOR, last, &file);
	assert_memory_equal(file.bytes, "bda", 3);
	assert_int_equal(file.bytes[SECTOR], 'a');
	bool first[3] = {true, false, false};
	record_log_cut(&bench.log, 3, SECTOR, first, &file);
	assert_memory_equal(file.bytes, "baa", 3);
	memory_file_free(&file);
	bench_close(&bench);
}

static void test_cut_of_length_and_discard(void **state)
{
	(void)state;
	struct bench bench = bench_open();
	struct memory_file file = {.bytes = NULL};
	bench.storage = record_storage_open(memory_storage_open(&bench.file), &bench.log);
	assert_int_equal(q2_storage_resize(bench.storage, 6 * SECTOR, NULL), QCOW2BM_OK);
	assert_int_equal(q2_storage_discard(bench.storage, 0, 2 * SECTOR, NULL),
			 QCOW2BM_OK);
	fill(&bench, 'z', 1, 5 * SECTOR);
	assert_int_equal(record_log_pieces(&bench.log, 3, SECTOR), 4);
	bool none[4] = {false, false, false, false};
	record_log_cut(&bench.log, 3, SECTOR, none, &file);
	assert_same(&file, &bench.log.before);
	bool second_hole[4] = {false, false, true, false};
	record_log_cut(&bench.log, 3, SECTOR, second_hole, &file);
	assert_int_equal(file.length, 4 * SECTOR);
	assert_int_equal(file.bytes[SECTOR - 1], 'a');
	assert_int_equal(file.bytes[SECTOR], 0);
	bool only_write[4] = {false, false, false, true};
	record_log_cut(&bench.log, 3, SECTOR, only_write, &file);
	assert_int_equal(file.length, 5 * SECTOR + 1);
	assert_int_equal(file.bytes[5 * SECTOR], 'z');
	bool all[4] = {true, true, true, true};
	record_log_cut(&bench.log, 3, SECTOR, all, &file);
	assert_same(&file, &bench.file);
	memory_file_free(&file);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_has_an_end),
		cmocka_unit_test(test_memory_grows_to_its_limit),
		cmocka_unit_test(test_log_has_every_change_in_order),
		cmocka_unit_test(test_failed_change_is_not_logged),
		cmocka_unit_test(test_replay_of_every_prefix),
		cmocka_unit_test(test_cut_by_sectors),
		cmocka_unit_test(test_cut_takes_along_what_the_sector_held),
		cmocka_unit_test(test_cut_of_length_and_discard),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
