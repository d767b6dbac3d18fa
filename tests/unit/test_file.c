/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of files and devices, with a C library underneath that is interrupted and falls
 * short. */
#define _GNU_SOURCE /* OFD locks, SEEK_DATA */

#include "storage/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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
	int lock_errno;
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

int fcntl(int fd, int command, ...)
{
	va_list args;
	va_start(args, command);
	void *arg = va_arg(args, void *);
	va_end(args);
	bool is_lock = command == F_OFD_SETLK || command == F_OFD_GETLK;
	errno = twist.lock_errno;
	if (is_lock && twist.lock_errno != 0)
		return -1;
	return (int)syscall(SYSTEM_FCNTL, fd, command, arg);
}

static char dir[] = "/tmp/test_file.XXXXXX";
static char path[64];  /* the image */
static char other[64]; /* whatever else a test needs */

static void make_image(const char *name, size_t bytes)
{
	FILE *file = fopen(name, "wb");
	assert_non_null(file);
	for (size_t i = 0; i < bytes; i++)
		putc('a' + (int)(i % 26), file);
	assert_int_equal(fclose(file), 0);
}

static int start(void **state)
{
	(void)state;
	memset(&twist, 0, sizeof(twist));
	make_image(path, 100);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	unlink(other);
	return unlink(path);
}

static struct q2_storage *must_open(const char *name, unsigned flags)
{
	struct q2_storage *storage;
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	if (q2_file_open(&storage, name, flags, 0, &err) != QCOW2BM_OK)
		fail_msg("%s", err.sentence);
	return storage;
}

static void assert_refused(const char *name, unsigned flags, enum qcow2bm_code code,
			   const char *words)
{
	struct q2_storage *storage;
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	assert_int_equal(q2_file_open(&storage, name, flags, 0, &err), code);
	assert_null(storage);
	assert_int_equal(err.code, code);
	if (strstr(err.sentence, words) == NULL)
		fail_msg("not \"%s\": %s", words, err.sentence);
}

static void assert_refused_both_ways(const char *name, const char *words)
{
	assert_refused(name, 0, QCOW2BM_ENOTQCOW2, words);
	assert_refused(name, Q2_STORAGE_WRITE, QCOW2BM_ENOTQCOW2, words);
}

static void test_kinds_of_files_that_are_refused(void **state)
{
	(void)state;
	assert_refused_both_ways(dir, "a directory");
	assert_refused_both_ways("/dev/zero", "a character device");
	assert_int_equal(mkfifo(other, 0600), 0);
	assert_refused_both_ways(other, "a pipe");
	unlink(other);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, other);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_refused_both_ways(other, "a socket");
	close(fd);
}

static void test_missing_file_is_not_made(void **state)
{
	(void)state;
	assert_refused(other, 0, QCOW2BM_ESYSTEM, "cannot open: No such file");
	assert_refused(other, Q2_STORAGE_WRITE, QCOW2BM_ESYSTEM,
		       "cannot open: No such file");
	assert_int_equal(access(other, F_OK), -1);
}

static void test_force_share_is_for_reading(void **state)
{
	(void)state;
	assert_refused(path, Q2_STORAGE_WRITE | Q2_STORAGE_FORCE_SHARE, QCOW2BM_EINVAL,
		       "for reading only");
}

static void test_opening_and_reading_change_nothing(void **state)
{
	(void)state;
	struct stat before;
	struct stat after;
	uint8_t buf[100];
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(stat(path, &before), 0);
	struct q2_storage *storage = must_open(path, Q2_STORAGE_WRITE);
	q2_storage_close(storage);
	storage = must_open(path, 0);
	assert_false(storage->writable);
	assert_int_equal(q2_storage_read(storage, buf, 100, 0, NULL), QCOW2BM_OK);
	q2_storage_close(storage);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_mtim.tv_sec, 1000);
	assert_int_equal(after.st_ctim.tv_sec, before.st_ctim.tv_sec);
	assert_int_equal(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
	assert_int_equal(after.st_size, 100);
}

static void test_symbolic_link_is_followed(void **state)
{
	(void)state;
	uint64_t length;
	assert_int_equal(symlink(path, other), 0);
	struct q2_storage *storage = must_open(other, Q2_STORAGE_WRITE);
	assert_int_equal(q2_storage_length(storage, &length, NULL), QCOW2BM_OK);
	assert_int_equal(length, 100);
	q2_storage_close(storage);
}

static void test_read_write_and_length(void **state)
{
	(void)state;
	uint8_t buf[8];
	uint64_t length;
	struct q2_storage *storage = must_open(path, Q2_STORAGE_WRITE);
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
	assert_int_equal(twist.calls,
			 32); /* 8 bytes, twice, one by one, every other in vain */
	assert_int_equal(q2_storage_sync(storage, NULL), QCOW2BM_OK);
	q2_storage_close(storage);
}

static void test_read_past_the_end(void **state)
{
	(void)state;
	uint8_t buf[8];
	struct q2_storage *storage = must_open(path, 0);
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
	struct q2_storage *storage = must_open(path, Q2_STORAGE_WRITE);
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
	struct q2_storage *storage = must_open(path, Q2_STORAGE_WRITE);
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
	struct q2_storage *storage = must_open(path, Q2_STORAGE_WRITE);
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
	make_image(other, 65536);
	struct q2_storage *storage = must_open(other, Q2_STORAGE_WRITE);
	assert_int_equal(stat(other, &st), 0);
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

/* A second description of the image with a lock on one byte. */
static int claim(off_t byte)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct flock lock = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	return fd;
}

static void test_locks_by_flags(void **state)
{
	(void)state;
	int fd = claim(101);
	assert_refused(path, 0, QCOW2BM_EBUSY, "in use by");
	assert_refused(path, Q2_STORAGE_WRITE, QCOW2BM_EBUSY, "in use by");
	struct q2_storage *storage = must_open(path, Q2_STORAGE_FORCE_SHARE);
	assert_int_equal(storage->writer, Q2_WRITER_LIVE);
	q2_storage_close(storage);
	storage = must_open(path, Q2_STORAGE_WRITE | Q2_STORAGE_NO_LOCK);
	assert_int_equal(storage->writer, Q2_WRITER_UNKNOWN);
	q2_storage_close(storage);
	close(fd);
	storage = must_open(path, Q2_STORAGE_FORCE_SHARE);
	assert_int_equal(storage->writer, Q2_WRITER_NONE);
	/* It takes nothing: an editor can come and go meanwhile. */
	struct q2_storage *editor = must_open(path, Q2_STORAGE_WRITE);
	assert_refused(path, 0, QCOW2BM_EBUSY, "in use by");
	q2_storage_close(editor);
	q2_storage_close(storage);
	storage = must_open(path, 0);
	assert_int_equal(storage->writer, Q2_WRITER_NONE);
	assert_refused(path, Q2_STORAGE_WRITE, QCOW2BM_EBUSY, "in use by");
	q2_storage_close(storage);
}

static void test_file_system_without_locks(void **state)
{
	(void)state;
	twist.lock_errno = ENOLCK;
	struct q2_storage *storage = must_open(path, 0);
	assert_int_equal(storage->writer, Q2_WRITER_UNKNOWN);
	q2_storage_close(storage);
	storage = must_open(path, Q2_STORAGE_FORCE_SHARE);
	assert_int_equal(storage->writer, Q2_WRITER_UNKNOWN);
	q2_storage_close(storage);
	assert_refused(path, Q2_STORAGE_WRITE, QCOW2BM_EUNSUPPORTED,
		       "locks are not supported");
	storage = must_open(path, Q2_STORAGE_WRITE | Q2_STORAGE_NO_LOCK);
	q2_storage_close(storage);
	twist.lock_errno = EIO;
	assert_refused(path, 0, QCOW2BM_ESYSTEM, "cannot lock the image");
}

/* A process that holds byte 101 for a while, then does what is asked of it, then ends. */
static pid_t claim_for_a_while(bool replace)
{
	int fd = claim(101);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
		_exit(replace && rename(other, path) != 0 ? 1 : 0);
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
	assert_int_equal(q2_file_open(&storage, path, Q2_STORAGE_WRITE, 60, NULL),
			 QCOW2BM_OK);
	assert_in_range((unsigned long)(seconds_since(then) * 1000), 100, 30000);
	q2_storage_close(storage);
	end(pid);
	int fd = claim(101);
	clock_gettime(CLOCK_MONOTONIC, &then);
	assert_int_equal(q2_file_open(&storage, path, 0, 1, NULL), QCOW2BM_EBUSY);
	assert_in_range((unsigned long)(seconds_since(then) * 1000), 1000, 30000);
	close(fd);
}

static void test_replaced_while_waiting(void **state)
{
	(void)state;
	struct q2_storage *storage;
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	make_image(other, 10);
	pid_t pid = claim_for_a_while(true);
	assert_int_equal(q2_file_open(&storage, path, Q2_STORAGE_WRITE, 60, &err),
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
		if (q2_file_open(&storage, path, Q2_STORAGE_WRITE, 0, NULL) != QCOW2BM_OK)
			_exit(1);
		bool trapped = fcntl(0, F_GETFD, NULL) >= 0 ||
			       fcntl(1, F_GETFD, NULL) >= 0 ||
			       fcntl(2, F_GETFD, NULL) >= 0;
		bool inherited = (fcntl(3, F_GETFD, NULL) & FD_CLOEXEC) == 0;
		_exit(trapped || inherited ? 2 : 0);
	}
	end(pid);
}

/* A loop device over the image, where this machine lets us have one; else "". */
static char device[64];

static bool make_device(void)
{
	char command[256];
	snprintf(command, sizeof(command), "losetup -f --show %s 2>/dev/null", path);
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
	make_image(path, 1048576);
	if (!make_device())
		skip();
	uint8_t buf[8] = "12345678";
	uint64_t length;
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	struct q2_storage *storage = must_open(device, Q2_STORAGE_WRITE);
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
	assert_refused(device, Q2_STORAGE_WRITE | Q2_STORAGE_NO_LOCK, QCOW2BM_EBUSY,
		       "claimed by another program");
	q2_storage_close(storage);
}

/* However the test ends, the device does not outlive it. */
static int stop_device(void **state)
{
	char command[128];
	snprintf(command, sizeof(command), "losetup -d %s", device);
	int status = device[0] != '\0' ? system(command) : 0;
	return stop(state) != 0 || status != 0 ? -1 : 0;
}

static int make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/image", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kinds_of_files_that_are_refused),
		TEST(test_missing_file_is_not_made),
		TEST(test_force_share_is_for_reading),
		TEST(test_opening_and_reading_change_nothing),
		TEST(test_symbolic_link_is_followed),
		TEST(test_read_write_and_length),
		TEST(test_read_past_the_end),
		TEST(test_failing_writes),
		TEST(test_sync_tells_the_truth),
		TEST(test_resize),
		TEST(test_discard),
		TEST(test_locks_by_flags),
		TEST(test_file_system_without_locks),
		TEST(test_waiting),
		TEST(test_replaced_while_waiting),
		TEST(test_closed_standard_descriptors),
		cmocka_unit_test_setup_teardown(test_block_device, start, stop_device),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
