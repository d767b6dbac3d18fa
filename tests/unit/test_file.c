/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of bytes in files and devices, with a C library underneath that is interrupted and falls
 * short. */
#define _GNU_SOURCE /* fallocate(), popen() */

#include "file_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* The library is linked to these instead of the C library's. Zeroed, they tell the truth.
 */
static struct {
	bool short_transfers; /* one byte at a time, and every second call is interrupted
			       */
	unsigned calls;
	int write_errno;
	bool write_nothing; /* returns 0 */
	unsigned sync_interruptions;
	int sync_errno;
	int discard_errno;
} twist;

/* Whether this transfer is interrupted; cuts it short. */
static bool interrupt(size_t *bytes)
{
	if (!twist.short_transfers)
		return false;
	*bytes = 1;
	errno = EINTR;
	return ++twist.calls % 2 == 1;
}

ssize_t pread(int fd, void *buf, size_t bytes, off_t off)
{
	if (interrupt(&bytes))
		return -1;
	return lseek(fd, off, SEEK_SET) < 0 ? -1 : read(fd, buf, bytes);
}

ssize_t pwrite(int fd, const void *buf, size_t bytes, off_t off)
{
	if (interrupt(&bytes))
		return -1;
	errno = EINTR; /* as an earlier call may have left it */
	if (twist.write_nothing)
		return 0;
	errno = twist.write_errno;
	if (twist.write_errno != 0)
		return -1;
	return lseek(fd, off, SEEK_SET) < 0 ? -1 : write(fd, buf, bytes);
}

int fdatasync(int fd)
{
	if (twist.sync_interruptions > 0) {
		twist.sync_interruptions--;
		errno = EINTR;
		return -1;
	}
	errno = twist.sync_errno;
	return twist.sync_errno != 0 ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fallocate(int fd, int mode, off_t off, off_t bytes)
{
	assert_int_equal(mode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	errno = twist.discard_errno;
	if (twist.discard_errno != 0)
		return -1;
	return (int)syscall(SYS_fallocate, fd, mode, off, bytes);
}

static int start(void **state)
{
	memset(&twist, 0, sizeof(twist));
	return fixture_start(state);
}

static void test_read_write_and_length(void **state)
{
	(void)state;
	uint8_t buf[8];
	uint64_t length;
	struct q2_storage *storage = fixture_open(fixture_image, Q2_STORAGE_WRITE);
	assert_true(storage->writable);
	assert_true(storage->can_grow);
	assert_int_equal(storage->writer, Q2_WRITER_NONE);
	for (int twisted = 0; twisted < 2; twisted++) {
		twist.short_transfers = twisted != 0;
		assert_int_equal(q2_storage_write(storage, "12345678", 8, 96, NULL),
				 QCOW2BM_OK);
		memset(buf, 0, sizeof(buf));
		assert_int_equal(q2_storage_read(storage, buf, 8, 94, NULL), QCOW2BM_OK);
		assert_memory_equal(buf, "qr123456", 8);
		assert_int_equal(q2_storage_length(storage, &length, NULL), QCOW2BM_OK);
		assert_int_equal(length, 104);
	}
	assert_int_equal(
		twist.calls,
		32); /* 8 bytes, twice, one by one, every fixture_other in vain */
	assert_int_equal(q2_storage_sync(storage, NULL), QCOW2BM_OK);
	q2_storage_close(storage);
}

static void test_read_past_the_end(void **state)
{
	(void)state;
	uint8_t buf[8];
	struct q2_storage *storage = fixture_open(fixture_image, 0);
	static const uint64_t places[] = {93,        100,       5000, INT64_MAX - 2,
					  INT64_MAX, UINT64_MAX};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct qcow2bm_error err = {.code = QCOW2BM_OK};
		assert_int_equal(q2_storage_read(storage, buf, 8, places[i], &err),
				 QCOW2BM_EIMAGE);
		assert_non_null(strstr(err.sentence, "the file ends at byte 100"));
		assert_true(err.offset == places[i]);
	}
	assert_int_equal(q2_storage_read(storage, buf, 8, 92, NULL), QCOW2BM_OK);
	q2_storage_close(storage);
}

static void test_failing_writes(void **state)
{
	(void)state;
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	struct q2_storage *storage = fixture_open(fixture_image, Q2_STORAGE_WRITE);
	twist.write_errno = EDQUOT;
	assert_int_equal(q2_storage_write(storage, "x", 1, 7, &err), QCOW2BM_ESYSTEM);
	assert_int_equal(err.sys_errno, EDQUOT);
	assert_int_equal(err.offset, 7);
	twist.write_errno = 0;
	twist.write_nothing = true;
	assert_int_equal(q2_storage_write(storage, "x", 1, 7, NULL), QCOW2BM_ESYSTEM);
	twist.write_nothing = false;
	assert_int_equal(q2_storage_write(storage, "x", 1, INT64_MAX, NULL),
			 QCOW2BM_ESYSTEM);
	q2_storage_close(storage);
}

static void test_sync_tells_the_truth(void **state)
{
	(void)state;
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	struct q2_storage *storage = fixture_open(fixture_image, Q2_STORAGE_WRITE);
	twist.sync_interruptions = 3;
	assert_int_equal(q2_storage_sync(storage, &err), QCOW2BM_OK);
	assert_int_equal(twist.sync_interruptions, 0);
	static const int kinds[] = {EIO, ENOSPC, EDQUOT, EINVAL, EROFS};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		memset(&err, 0, sizeof(err));
		twist.sync_errno = kinds[i];
		assert_int_equal(q2_storage_sync(storage, &err), QCOW2BM_ESYSTEM);
		assert_int_equal(err.sys_errno, kinds[i]);
	}
	q2_storage_close(storage);
}

static void test_resize(void **state)
{
	(void)state;
	uint8_t buf[4];
	uint64_t length;
	struct q2_storage *storage = fixture_open(fixture_image, Q2_STORAGE_WRITE);
	assert_int_equal(q2_storage_resize(storage, 50, NULL), QCOW2BM_OK);
	assert_int_equal(q2_storage_resize(storage, 200, NULL), QCOW2BM_OK);
	assert_int_equal(q2_storage_length(storage, &length, NULL), QCOW2BM_OK);
	assert_int_equal(length, 200);
	assert_int_equal(q2_storage_read(storage, buf, 4, 48, NULL), QCOW2BM_OK);
	assert_memory_equal(buf, "wx\0\0", 4);
	assert_int_equal(q2_storage_resize(storage, UINT64_MAX, NULL), QCOW2BM_ESYSTEM);
	q2_storage_close(storage);
}

static void test_discard(void **state)
{
	(void)state;
	uint8_t byte;
	struct stat st;
	uint64_t length;
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	fixture_fill(fixture_other, 65536);
	struct q2_storage *storage = fixture_open(fixture_other, Q2_STORAGE_WRITE);
	assert_int_equal(stat(fixture_other, &st), 0);
	assert_int_equal(storage->allocated_bytes, st.st_blocks * 512);
	enum qcow2bm_code code = q2_storage_discard(storage, 4096, 61440 + 4096, &err);
	if (code == QCOW2BM_OK) {
		assert_int_equal(q2_storage_read(storage, &byte, 1, 4095, NULL),
				 QCOW2BM_OK);
		assert_int_equal(byte, 'a' + 4095 % 26);
		assert_int_equal(q2_storage_read(storage, &byte, 1, 4096, NULL),
				 QCOW2BM_OK);
		assert_int_equal(byte, 0);
	}
	assert_int_equal(q2_storage_length(storage, &length, NULL), QCOW2BM_OK);
	assert_int_equal(length, 65536);
	memset(&err, 0, sizeof(err));
	twist.discard_errno = EOPNOTSUPP;
	assert_int_equal(q2_storage_discard(storage, 0, 4096, &err), QCOW2BM_ESYSTEM);
	assert_int_equal(err.sys_errno, EOPNOTSUPP);
	assert_int_equal(q2_storage_discard(storage, 0, 0, NULL), QCOW2BM_OK);
	q2_storage_close(storage);
}

/* A loop device over the image, where this machine lets us have one; else "". */
static char device[64];

static bool make_device(void)
{
	char command[256];
	snprintf(command, sizeof(command), "losetup -f --show %s 2>/dev/null",
		 fixture_image);
	FILE *out = popen(command, "r");
	bool made = out != NULL && fgets(device, sizeof(device), out) != NULL;
	if (out != NULL)
		pclose(out);
	device[strcspn(device, "\n")] = '\0';
	return made;
}

static void test_block_device(void **state)
{
	(void)state;
	fixture_fill(fixture_image, 1048576);
	if (!make_device())
		skip();
	uint8_t buf[8] = "12345678";
	uint64_t length;
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	struct q2_storage *storage = fixture_open(device, Q2_STORAGE_WRITE);
	assert_false(storage->can_grow);
	assert_int_equal(storage->allocated_bytes, 0);
	assert_int_equal(q2_storage_length(storage, &length, NULL), QCOW2BM_OK);
	assert_int_equal(length, 1048576);
	assert_int_equal(q2_storage_write(storage, buf, 8, length - 8, NULL), QCOW2BM_OK);
	assert_int_equal(q2_storage_write(storage, buf, 8, length - 7, &err),
			 QCOW2BM_ESYSTEM);
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_non_null(strstr(err.sentence, "the device ends at byte 1048576"));
	assert_int_equal(q2_storage_read(storage, buf, 8, length - 7, NULL),
			 QCOW2BM_EIMAGE);
	assert_int_equal(q2_storage_resize(storage, 10, NULL), QCOW2BM_EUNSUPPORTED);
	assert_int_equal(q2_storage_discard(storage, 0, length, NULL), QCOW2BM_OK);
	assert_int_equal(q2_storage_read(storage, buf, 8, 0, NULL), QCOW2BM_OK);
	assert_memory_equal(buf, "abcdefgh", 8);
	assert_int_equal(q2_storage_sync(storage, NULL), QCOW2BM_OK);
	fixture_refuse(device, Q2_STORAGE_WRITE | Q2_STORAGE_NO_LOCK, QCOW2BM_EBUSY,
		       "claimed by another program");
	q2_storage_close(storage);
}

/* However the test ends, the device does not outlive it. */
static int stop_device(void **state)
{
	char command[128];
	snprintf(command, sizeof(command), "losetup -d %s", device);
	int status = device[0] != '\0' ? system(command) : 0;
	return fixture_stop(state) != 0 || status != 0 ? -1 : 0;
}

static void test_holes_hold_nothing(void **state)
{
	(void)state;
	const uint64_t first = (uint64_t)4 << 20, length = (uint64_t)16 << 20;
	struct q2_storage *storage = fixture_open(fixture_image, Q2_STORAGE_WRITE);
	uint64_t data, end;
	assert_int_equal(q2_storage_resize(storage, 0, NULL), QCOW2BM_OK);
	assert_int_equal(q2_storage_resize(storage, length, NULL), QCOW2BM_OK);
	assert_int_equal(q2_storage_write(storage, "abc", 3, first, NULL), QCOW2BM_OK);
	q2_storage_find_data(storage, 8, length, &data, &end);
	if (data == 8)
		skip(); /* a file system that has no holes */
	assert_true(data <= first && end >= first + 3);
	assert_true(first - data < 1 << 20 && end - first < 1 << 20);
	q2_storage_find_data(storage, first + 1, first + 2, &data, &end);
	assert_int_equal(data, first + 1);
	assert_int_equal(end, first + 2);
	q2_storage_find_data(storage, 0, 1000, &data, &end);
	assert_int_equal(data, 1000);
	q2_storage_find_data(storage, length / 2, length, &data, &end);
	assert_int_equal(data, length);
	q2_storage_close(storage);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, fixture_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_read_write_and_length),
		TEST(test_read_past_the_end),
		TEST(test_failing_writes),
		TEST(test_sync_tells_the_truth),
		TEST(test_resize),
		TEST(test_discard),
		TEST(test_holes_hold_nothing),
		cmocka_unit_test_setup_teardown(test_block_device, start, stop_device),
	};
	return cmocka_run_group_tests(tests, fixture_make_folder, fixture_remove_folder);
}
