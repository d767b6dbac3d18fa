/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of finding the process behind a lock: a child takes locks, and waits. */
#define _GNU_SOURCE /* OFD locks */

#include "storage/holder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/test_holder.XXXXXX";
static int fd;

/* A child that holds one byte of the file until its input ends. */
struct child {
	pid_t pid;
	int leash;
};

static void set_lock(int on, int command, off_t byte)
{
	struct flock lock = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	if (fcntl(on, command, &lock) != 0)
		abort();
}

static struct child child_start(const char *name, int command, off_t byte)
{
	int leash[2];
	int ready[2];
	char c;
	assert_int_equal(pipe(leash), 0);
	assert_int_equal(pipe(ready), 0);
	struct child child = {.pid = fork(), .leash = leash[1]};
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		close(leash[1]);
		close(fd); /* a lock of this description would be the parent's as well */
		prctl(PR_SET_NAME, name);
		set_lock(open(path, O_RDWR), command, byte);
		if (write(ready[1], "r", 1) != 1 || read(leash[0], &c, 1) != 0)
			abort();
		_exit(0);
	}
	close(leash[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return child;
}

static void child_stop(struct child child)
{
	int status;
	close(child.leash);
	assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
	assert_int_equal(status, 0);
}

static void assert_found(struct child child, const char *name)
{
	char text[128];
	char wanted[128];
	assert_true(q2_holder_find(fd, text, sizeof(text)));
	snprintf(wanted, sizeof(wanted), "%s (pid %ld)", name, (long)child.pid);
	assert_string_equal(text, wanted);
}

static void test_nobody(void **state)
{
	(void)state;
	char text[128] = "untouched";
	assert_false(q2_holder_find(fd, text, sizeof(text)));
	assert_string_equal(text, "untouched");
}

static void test_own_process_is_skipped(void **state)
{
	(void)state;
	char text[128];
	int other = open(path, O_RDWR | O_CLOEXEC);
	set_lock(other, F_OFD_SETLK, 101);
	assert_false(q2_holder_find(fd, text, sizeof(text)));
	close(other);
}

static void test_holder_is_named(void **state)
{
	(void)state;
	static const off_t bytes[] = {100, 101, 103, 200, 203};
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		struct child child = child_start("guest 7", F_OFD_SETLK, bytes[i]);
		assert_found(child, "guest 7");
		child_stop(child);
	}
}

static void test_locks_of_the_process_kind_count(void **state)
{
	(void)state;
	struct child child = child_start("old", F_SETLK, 100);
	assert_found(child, "old");
	child_stop(child);
}

static void test_other_bytes_are_no_claim(void **state)
{
	(void)state;
	static const off_t bytes[] = {0, 99, 204};
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		char text[128];
		struct child child = child_start("other", F_OFD_SETLK, bytes[i]);
		assert_false(q2_holder_find(fd, text, sizeof(text)));
		child_stop(child);
	}
}

static void test_other_files_are_no_claim(void **state)
{
	(void)state;
	char text[128];
	char other_path[] = "/tmp/test_holder.XXXXXX";
	int other = mkstemp(other_path);
	struct child child = child_start("elsewhere", F_OFD_SETLK, 101);
	assert_true(other >= 0);
	assert_false(q2_holder_find(other, text, sizeof(text)));
	child_stop(child);
	close(other);
	unlink(other_path);
}

static void test_writer_comes_before_readers(void **state)
{
	(void)state;
	struct child before = child_start("reader", F_OFD_SETLK, 100);
	struct child writer = child_start("writer", F_OFD_SETLK, 101);
	struct child after = child_start("reader", F_OFD_SETLK, 100);
	assert_found(writer, "writer");
	/* In reverse: the later children inherited the leashes of the earlier ones. */
	child_stop(after);
	child_stop(writer);
	child_stop(before);
}

static void test_name_is_made_printable(void **state)
{
	(void)state;
	struct child child = child_start("a\033[2Jb\nc", F_OFD_SETLK, 101);
	assert_found(child, "a?[2Jb");
	child_stop(child);
}

static void test_text_is_bounded(void **state)
{
	(void)state;
	char text[8];
	struct child child = child_start("somebody", F_OFD_SETLK, 101);
	assert_true(q2_holder_find(fd, text, sizeof(text)));
	assert_string_equal(text, "somebod");
	child_stop(child);
}

static int make_file(void **state)
{
	(void)state;
	fd = mkstemp(path);
	return fd < 0 ? -1 : 0;
}

static int remove_file(void **state)
{
	(void)state;
	close(fd);
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_own_process_is_skipped),
		cmocka_unit_test(test_holder_is_named),
		cmocka_unit_test(test_locks_of_the_process_kind_count),
		cmocka_unit_test(test_other_bytes_are_no_claim),
		cmocka_unit_test(test_other_files_are_no_claim),
		cmocka_unit_test(test_writer_comes_before_readers),
		cmocka_unit_test(test_name_is_made_printable),
		cmocka_unit_test(test_text_is_bounded),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
