/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the failing twin. */
#include "../support/fault_storage.h"

#include "../support/record_storage.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct memory_file file;

static int start(void **state)
{
	(void)state;
	memory_file_fill(&file, "0123456789", 10);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	memory_file_free(&file);
	return 0;
}

static enum qcow2bm_code call(struct q2_storage *storage, unsigned kind,
			      struct qcow2bm_error *err)
{
	uint8_t buf[4] = {'a', 'b', 'c', 'd'};
	uint64_t length;
	switch (kind) {
	case FAULT_READ:
		return q2_storage_read(storage, buf, 4, 0, err);
	case FAULT_WRITE:
		return q2_storage_write(storage, buf, 4, 2, err);
	case FAULT_SYNC:
		return q2_storage_sync(storage, err);
	case FAULT_RESIZE:
		return q2_storage_resize(storage, 8, err);
	case FAULT_DISCARD:
		return q2_storage_discard(storage, 6, 1, err);
	default:
		return q2_storage_length(storage, &length, err);
	}
}

static void test_each_kind_fails_on_its_nth_call_only(void **state)
{
	(void)state;
	for (unsigned kind = FAULT_READ; kind < FAULT_ANY; kind <<= 1) {
		struct fault_plan plan = {.kinds = kind, .at = 2, .sys_errno = EIO};
		struct qcow2bm_error err = {.code = QCOW2BM_OK};
		struct q2_storage *storage =
			fault_storage_open(memory_storage_open(&file), &plan);
		for (unsigned other = FAULT_READ; other < FAULT_ANY; other <<= 1)
			assert_int_equal(call(storage, other, &err), QCOW2BM_OK);
		assert_int_equal(plan.calls, 1);
		assert_int_equal(call(storage, kind, &err), QCOW2BM_ESYSTEM);
		assert_int_equal(err.sys_errno, EIO);
		assert_non_null(strstr(err.sentence, "injected failure"));
		assert_int_equal(call(storage, kind, NULL), QCOW2BM_OK);
		assert_int_equal(plan.calls, 3);
		assert_int_equal(plan.failures, 1);
		q2_storage_close(storage);
	}
}

static void test_from_then_on(void **state)
{
	(void)state;
	struct fault_plan plan = {.kinds = FAULT_WRITE | FAULT_SYNC,
				  .at = 2,
				  .from_then_on = true,
				  .sys_errno = ENOSPC};
	struct q2_storage *storage =
		fault_storage_open(memory_storage_open(&file), &plan);
	assert_int_equal(call(storage, FAULT_WRITE, NULL), QCOW2BM_OK);
	assert_int_equal(call(storage, FAULT_SYNC, NULL), QCOW2BM_ESYSTEM);
	assert_int_equal(call(storage, FAULT_WRITE, NULL), QCOW2BM_ESYSTEM);
	assert_int_equal(call(storage, FAULT_READ, NULL), QCOW2BM_OK);
	assert_int_equal(plan.failures, 2);
	q2_storage_close(storage);
}

static void test_failed_calls_leave_the_file_alone(void **state)
{
	(void)state;
	struct fault_plan plan = {
		.kinds = FAULT_ANY, .at = 1, .from_then_on = true, .sys_errno = EIO};
	struct q2_storage *storage =
		fault_storage_open(memory_storage_open(&file), &plan);
	for (unsigned kind = FAULT_READ; kind < FAULT_ANY; kind <<= 1)
		assert_int_equal(call(storage, kind, NULL), QCOW2BM_ESYSTEM);
	assert_int_equal(file.length, 10);
	assert_memory_equal(file.bytes, "0123456789", 10);
	q2_storage_close(storage);
}

static void test_half_a_write(void **state)
{
	(void)state;
	struct fault_plan plan = {
		.kinds = FAULT_WRITE, .at = 1, .half_first = true, .sys_errno = EIO};
	struct record_log log = {.count = 0};
	struct q2_storage *storage = fault_storage_open(
		record_storage_open(memory_storage_open(&file), &log), &plan);
	assert_int_equal(call(storage, FAULT_WRITE, NULL), QCOW2BM_ESYSTEM);
	assert_memory_equal(file.bytes, "01ab456789", 10);
	assert_int_equal(log.count, 1);
	assert_int_equal(log.ops[0].bytes, 2);
	q2_storage_close(storage);
	record_log_free(&log);
}

static void test_zeroed_plan_does_nothing(void **state)
{
	(void)state;
	struct fault_plan plan = {.kinds = 0};
	struct q2_storage *below = memory_storage_open(&file);
	below->writer = Q2_WRITER_LIVE;
	struct q2_storage *storage = fault_storage_open(below, &plan);
	assert_int_equal(storage->writer, Q2_WRITER_LIVE);
	for (unsigned kind = FAULT_READ; kind < FAULT_ANY; kind <<= 1)
		assert_int_equal(call(storage, kind, NULL), QCOW2BM_OK);
	assert_int_equal(plan.calls, 0);
	assert_memory_equal(file.bytes,
			    "01abcd\0"
			    "7",
			    8);
	assert_int_equal(file.length, 8);
	q2_storage_close(storage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_kind_fails_on_its_nth_call_only,
						start, stop),
		cmocka_unit_test_setup_teardown(test_from_then_on, start, stop),
		cmocka_unit_test_setup_teardown(test_failed_calls_leave_the_file_alone,
						start, stop),
		cmocka_unit_test_setup_teardown(test_half_a_write, start, stop),
		cmocka_unit_test_setup_teardown(test_zeroed_plan_does_nothing, start,
						stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
