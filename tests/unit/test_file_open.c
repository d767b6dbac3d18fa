/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of opening files: which, with which locks, and after which wait. */
#define _GNU_SOURCE /* OFD locks */

#include "file_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef SYS_fcntl64
#define SYSTEM_FCNTL SYS_fcntl64
#else
#define SYSTEM_FCNTL SYS_fcntl
#endif

/* Not 0: the library, which is linked to this fcntl(), cannot take a lock nor look at one. */
static int lock_errno;

int fcntl(int fd, int command, ...)
{
	va_list args;
	va_start(args, command);
	void *arg = va_arg(args, void *);
	va_end(args);
	bool is_lock = command == F_OFD_SETLK || command == F_OFD_GETLK;
	errno = lock_errno;
	if (is_lock && lock_errno != 0)
		return -1;
	return (int)syscall(SYSTEM_FCNTL, fd, command, arg);
}

static int start(void **state)
{
	lock_errno = 0;
	return fixture_start(state);
}

static void assert_refused_both_ways(const char *name, const char *words)
{
	fixture_refuse(name, 0, QCOW2BM_ENOTQCOW2, words);
	fixture_refuse(name, Q2_STORAGE_WRITE, QCOW2BM_ENOTQCOW2, words);
}

static void test_kinds_of_files_that_are_refused(void **state)
{
	(void)state;
	assert_refused_both_ways(fixture_folder, "a directory");
	assert_refused_both_ways("/dev/zero", "a character device");
	assert_int_equal(mkfifo(fixture_other, 0600), 0);
	assert_refused_both_ways(fixture_other, "a pipe");
	unlink(fixture_other);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, fixture_other);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_refused_both_ways(fixture_other, "a socket");
	close(fd);
}

static void test_missing_file_is_not_made(void **state)
{
	(void)state;
	fixture_refuse(fixture_other, 0, QCOW2BM_ESYSTEM, "cannot open: No such file");
	fixture_refuse(fixture_other, Q2_STORAGE_WRITE, QCOW2BM_ESYSTEM,
		       "cannot open: No such file");
	assert_int_equal(access(fixture_other, F_OK), -1);
}

static void test_force_share_is_for_reading(void **state)
{
	(void)state;
	fixture_refuse(fixture_image, Q2_STORAGE_WRITE | Q2_STORAGE_FORCE_SHARE,
		       QCOW2BM_EINVAL, "for reading only");
}

static void test_opening_and_reading_change_nothing(void **state)
{
	(void)state;
	struct stat before;
	struct stat after;
	uint8_t buf[100];
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	assert_int_equal(utimensat(AT_FDCWD, fixture_image, old, 0), 0);
	assert_int_equal(stat(fixture_image, &before), 0);
	struct q2_storage *storage = fixture_open(fixture_image, Q2_STORAGE_WRITE);
	q2_storage_close(storage);
	storage = fixture_open(fixture_image, 0);
	assert_false(storage->writable);
	assert_int_equal(q2_storage_read(storage, buf, 100, 0, NULL), QCOW2BM_OK);
	q2_storage_close(storage);
	assert_int_equal(stat(fixture_image, &after), 0);
	assert_int_equal(after.st_mtim.tv_sec, 1000);
	assert_int_equal(after.st_ctim.tv_sec, before.st_ctim.tv_sec);
	assert_int_equal(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
	assert_int_equal(after.st_size, 100);
}

static void test_symbolic_link_is_followed(void **state)
{
	(void)state;
	uint64_t length;
	assert_int_equal(symlink(fixture_image, fixture_other), 0);
	struct q2_storage *storage = fixture_open(fixture_other, Q2_STORAGE_WRITE);
	assert_int_equal(q2_storage_length(storage, &length, NULL), QCOW2BM_OK);
	assert_int_equal(length, 100);
	q2_storage_close(storage);
}

/* A second description of the image with a lock on one byte. */
static int claim(off_t byte)
{
	int fd = open(fixture_image, O_RDWR | O_CLOEXEC);
	struct flock lock = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	return fd;
}

static void test_locks_by_flags(void **state)
{
	(void)state;
	int fd = claim(101);
	fixture_refuse(fixture_image, 0, QCOW2BM_EBUSY, "in use by");
	fixture_refuse(fixture_image, Q2_STORAGE_WRITE, QCOW2BM_EBUSY, "in use by");
	struct q2_storage *storage = fixture_open(fixture_image, Q2_STORAGE_FORCE_SHARE);
	assert_int_equal(storage->writer, Q2_WRITER_LIVE);
	q2_storage_close(storage);
	storage = fixture_open(fixture_image, Q2_STORAGE_WRITE | Q2_STORAGE_NO_LOCK);
	assert_int_equal(storage->writer, Q2_WRITER_UNKNOWN);
	q2_storage_close(storage);
	close(fd);
	storage = fixture_open(fixture_image, Q2_STORAGE_FORCE_SHARE);
	assert_int_equal(storage->writer, Q2_WRITER_NONE);
	/* It takes nothing: an editor can come and go meanwhile. */
	struct q2_storage *editor = fixture_open(fixture_image, Q2_STORAGE_WRITE);
	fixture_refuse(fixture_image, 0, QCOW2BM_EBUSY, "in use by");
	q2_storage_close(editor);
	q2_storage_close(storage);
	storage = fixture_open(fixture_image, 0);
	assert_int_equal(storage->writer, Q2_WRITER_NONE);
	fixture_refuse(fixture_image, Q2_STORAGE_WRITE, QCOW2BM_EBUSY, "in use by");
	q2_storage_close(storage);
}

static void test_file_system_without_locks(void **state)
{
	(void)state;
	lock_errno = ENOLCK;
	struct q2_storage *storage = fixture_open(fixture_image, 0);
	assert_int_equal(storage->writer, Q2_WRITER_UNKNOWN);
	q2_storage_close(storage);
	storage = fixture_open(fixture_image, Q2_STORAGE_FORCE_SHARE);
	assert_int_equal(storage->writer, Q2_WRITER_UNKNOWN);
	q2_storage_close(storage);
	fixture_refuse(fixture_image, Q2_STORAGE_WRITE, QCOW2BM_EUNSUPPORTED,
		       "locks are not supported");
	storage = fixture_open(fixture_image, Q2_STORAGE_WRITE | Q2_STORAGE_NO_LOCK);
	q2_storage_close(storage);
	lock_errno = EIO;
	fixture_refuse(fixture_image, 0, QCOW2BM_ESYSTEM, "cannot lock the image");
}

/* A process that holds byte 101 for a while, then does what is asked of it, then ends. */
static pid_t claim_for_a_while(bool replace)
{
	int fd = claim(101);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
		_exit(replace && rename(fixture_other, fixture_image) != 0 ? 1 : 0);
	}
	close(fd);
	return pid;
}

static void end(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static double seconds_since(struct timespec then)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then.tv_sec) +
	       (double)(now.tv_nsec - then.tv_nsec) / 1e9;
}

static void test_waiting(void **state)
{
	(void)state;
	struct q2_storage *storage;
	struct timespec then;
	pid_t pid = claim_for_a_while(false);
	clock_gettime(CLOCK_MONOTONIC, &then);
	assert_int_equal(
		q2_file_open(&storage, fixture_image, Q2_STORAGE_WRITE, 60, NULL, NULL),
		QCOW2BM_OK);
	assert_in_range((unsigned long)(seconds_since(then) * 1000), 100, 30000);
	q2_storage_close(storage);
	end(pid);
	int fd = claim(101);
	clock_gettime(CLOCK_MONOTONIC, &then);
	assert_int_equal(q2_file_open(&storage, fixture_image, 0, 1, NULL, NULL),
			 QCOW2BM_EBUSY);
	assert_in_range((unsigned long)(seconds_since(then) * 1000), 1000, 30000);
	close(fd);
}

static void test_replaced_while_waiting(void **state)
{
	(void)state;
	struct q2_storage *storage;
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	fixture_fill(fixture_other, 10);
	pid_t pid = claim_for_a_while(true);
	assert_int_equal(
		q2_file_open(&storage, fixture_image, Q2_STORAGE_WRITE, 60, NULL, &err),
		QCOW2BM_EBUSY);
	assert_non_null(strstr(err.sentence, "replaced"));
	end(pid);
}

static void test_closed_standard_descriptors(void **state)
{
	(void)state;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct q2_storage *storage;
		close(0);
		close(1);
		close(2);
		if (q2_file_open(&storage, fixture_image, Q2_STORAGE_WRITE, 0, NULL,
				 NULL) != QCOW2BM_OK)
			_exit(1);
		bool trapped = fcntl(0, F_GETFD, NULL) >= 0 ||
			       fcntl(1, F_GETFD, NULL) >= 0 ||
			       fcntl(2, F_GETFD, NULL) >= 0;
		bool inherited = (fcntl(3, F_GETFD, NULL) & FD_CLOEXEC) == 0;
		_exit(trapped || inherited ? 2 : 0);
	}
	end(pid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, fixture_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kinds_of_files_that_are_refused),
		TEST(test_missing_file_is_not_made),
		TEST(test_force_share_is_for_reading),
		TEST(test_opening_and_reading_change_nothing),
		TEST(test_symbolic_link_is_followed),
		TEST(test_locks_by_flags),
		TEST(test_file_system_without_locks),
		TEST(test_waiting),
		TEST(test_replaced_while_waiting),
		TEST(test_closed_standard_descriptors),
	};
	return cmocka_run_group_tests(tests, fixture_make_folder, fixture_remove_folder);
}
