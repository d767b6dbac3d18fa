/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of QEMU's locks. Two descriptions of one process conflict as two processes do. */
#define _GNU_SOURCE /* OFD locks */

#include "storage/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef SYS_fcntl64
#define SYSTEM_FCNTL SYS_fcntl64
#else
#define SYSTEM_FCNTL SYS_fcntl
#endif

static char path[] = "/tmp/test_lock.XXXXXX";
static int ours = -1;
static int theirs = -1;

/* What the file system answers to every lock request; 0: the truth. The library is linked
 * to this function instead of the C library's. */
static int lock_errno;

int fcntl(int fd, int command, ...)
{
	va_list args;
	va_start(args, command);
	void *arg = va_arg(args, void *);
	va_end(args);
	bool is_lock = command == F_OFD_SETLK || command == F_OFD_GETLK;
	if (is_lock && lock_errno != 0) {
		errno = lock_errno;
		return -1;
	}
	return (int)syscall(SYSTEM_FCNTL, fd, command, arg);
}

static int open_files(void **state)
{
	(void)state;
	lock_errno = 0;
	ours = open(path, O_RDWR | O_CLOEXEC);
	theirs = open(path, O_RDWR | O_CLOEXEC);
	return ours < 0 || theirs < 0 ? -1 : 0;
}

static int close_files(void **state)
{
	(void)state;
	close(ours);
	close(theirs);
	return 0;
}

static void set_theirs(short type, off_t start, off_t bytes)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = bytes};
	assert_int_equal(fcntl(theirs, F_OFD_SETLK, &lock), 0);
}

static bool ours_holds(off_t byte)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	assert_int_equal(fcntl(theirs, F_OFD_GETLK, &lock), 0);
	return lock.l_type != F_UNLCK;
}

static bool is_listed(const off_t *bytes, off_t byte)
{
	while (*bytes != 0 && *bytes != byte)
		bytes++;
	return *bytes != 0;
}

static const off_t edit_takes[] = {100, 101, 103, 200, 201, 202, 203, 0};
static const off_t edit_refuses[] = {100, 101, 102, 103, 200, 201, 202, 203, 0};
static const off_t read_takes[] = {100, 201, 203, 0};
static const off_t read_refuses[] = {200, 101, 103, 0};

static void check_role(enum q2_lock_role role, const off_t *takes, const off_t *refuses)
{
	assert_int_equal(q2_lock_take(ours, role, NULL), QCOW2BM_OK);
	assert_int_equal(q2_lock_take(ours, role, NULL), QCOW2BM_OK);
	for (off_t byte = 90; byte < 215; byte++)
		assert_int_equal(ours_holds(byte), is_listed(takes, byte));
	close(ours);
	ours = open(path, O_RDWR | O_CLOEXEC);
	for (off_t byte = 90; byte < 215; byte++) {
		bool refused = is_listed(refuses, byte);
		set_theirs(F_RDLCK, byte, 1);
		assert_int_equal(q2_lock_take(ours, role, NULL),
				 refused ? QCOW2BM_EBUSY : QCOW2BM_OK);
		set_theirs(F_UNLCK, 0, 0);
		if (refused) {
			for (off_t left = 90; left < 215; left++)
				assert_false(ours_holds(left));
		}
	}
}

static void test_edit_takes_and_refuses(void **state)
{
	(void)state;
	check_role(Q2_LOCK_EDIT, edit_takes, edit_refuses);
}

static void test_read_takes_and_refuses(void **state)
{
	(void)state;
	check_role(Q2_LOCK_READ, read_takes, read_refuses);
}

static void test_read_only_descriptor_can_lock(void **state)
{
	(void)state;
	close(ours);
	ours = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(q2_lock_take(ours, Q2_LOCK_READ, NULL), QCOW2BM_OK);
	assert_true(ours_holds(201));
}

static void test_our_roles_among_each_other(void **state)
{
	(void)state;
	assert_int_equal(q2_lock_take(theirs, Q2_LOCK_READ, NULL), QCOW2BM_OK);
	assert_int_equal(q2_lock_take(ours, Q2_LOCK_READ, NULL), QCOW2BM_OK);
	assert_int_equal(q2_lock_take(ours, Q2_LOCK_EDIT, NULL), QCOW2BM_EBUSY);
	set_theirs(F_UNLCK, 0, 0);
	assert_int_equal(q2_lock_take(theirs, Q2_LOCK_EDIT, NULL), QCOW2BM_OK);
	assert_int_equal(q2_lock_take(ours, Q2_LOCK_EDIT, NULL), QCOW2BM_EBUSY);
	assert_int_equal(q2_lock_take(ours, Q2_LOCK_READ, NULL), QCOW2BM_EBUSY);
}

static void test_a_write_lock_is_a_conflict(void **state)
{
	(void)state;
	/* On bytes that are taken and not looked at: 201 and 203 by a reader. */
	set_theirs(F_WRLCK, 203, 1);
	assert_int_equal(q2_lock_take(ours, Q2_LOCK_READ, NULL), QCOW2BM_EBUSY);
	set_theirs(F_UNLCK, 0, 0);
	assert_false(ours_holds(100));
}

static void test_busy_says_what_to_do(void **state)
{
	(void)state;
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	set_theirs(F_RDLCK, 101, 1);
	assert_int_equal(q2_lock_take(ours, Q2_LOCK_EDIT, &err), QCOW2BM_EBUSY);
	assert_int_equal(err.code, QCOW2BM_EBUSY);
	assert_non_null(strstr(err.sentence, "in use by another process"));
	assert_non_null(strstr(
		err.sentence, "shut it down, or work on the running guest through QEMU"));
	memset(&err, 0, sizeof(err));
	assert_int_equal(q2_lock_take(ours, Q2_LOCK_READ, &err), QCOW2BM_EBUSY);
	assert_non_null(strstr(err.sentence, "shut it down"));
}

static void test_find_writer(void **state)
{
	(void)state;
	assert_int_equal(q2_lock_find_writer(ours), Q2_WRITER_NONE);
	set_theirs(F_RDLCK, 102, 2);
	set_theirs(F_RDLCK, 200, 4);
	assert_int_equal(q2_lock_find_writer(ours), Q2_WRITER_NONE);
	/* All that the source of a migration holds when the migration is done. */
	set_theirs(F_RDLCK, 100, 1);
	assert_int_equal(q2_lock_find_writer(ours), Q2_WRITER_IDLE);
	set_theirs(F_RDLCK, 101, 1);
	assert_int_equal(q2_lock_find_writer(ours), Q2_WRITER_LIVE);
	set_theirs(F_UNLCK, 0, 0);
	assert_false(ours_holds(101));
	lock_errno = EINVAL;
	assert_int_equal(q2_lock_find_writer(ours), Q2_WRITER_UNKNOWN);
}

static void test_no_locks_on_this_file_system(void **state)
{
	(void)state;
	static const int kinds[] = {EINVAL, ENOSYS, ENOTSUP, EOPNOTSUPP, ENOLCK};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct qcow2bm_error err = {.code = QCOW2BM_OK};
		lock_errno = kinds[i];
		assert_int_equal(q2_lock_take(ours, Q2_LOCK_EDIT, &err),
				 QCOW2BM_EUNSUPPORTED);
		assert_non_null(strstr(err.sentence, "locks are not supported"));
	}
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	lock_errno = EIO;
	assert_int_equal(q2_lock_take(ours, Q2_LOCK_READ, &err), QCOW2BM_ESYSTEM);
	assert_int_equal(err.sys_errno, EIO);
}

static int make_file(void **state)
{
	(void)state;
	return close(mkstemp(path));
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_files, close_files)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_edit_takes_and_refuses),
		TEST(test_read_takes_and_refuses),
		TEST(test_read_only_descriptor_can_lock),
		TEST(test_our_roles_among_each_other),
		TEST(test_a_write_lock_is_a_conflict),
		TEST(test_busy_says_what_to_do),
		TEST(test_find_writer),
		TEST(test_no_locks_on_this_file_system),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
