/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image is opened by a descriptor: whose it is, which ones will do, and its locks. */
#define _GNU_SOURCE /* O_DIRECT, O_PATH, F_OFD_GETLK */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/build_image.h"
#include "qcow2bm.h"

static char path[32];

static int make(void **state)
{
	(void)state;
	static const uint8_t bits[256] = {[3] = 1};
	struct build_bitmap bitmap = {
		.name = "a", .name_bytes = 1, .granularity_bits = 12, .bits = bits};
	const struct build build = {
		.seed = 1,
		.cluster_bits = 12,
		.refcount_order = 4,
		.virtual_bytes = 256 << 12,
		.bitmaps = &bitmap,
		.bitmap_count = 1,
	};
	struct memory_file file = {0};
	build_image(&build, &file);
	strcpy(path, "/tmp/test_open_fd.XXXXXX");
	int fd = mkstemp(path);
	bool done = fd >= 0 && write(fd, file.bytes, file.length) == (ssize_t)file.length;
	close(fd);
	memory_file_free(&file);
	return done ? 0 : -1;
}

static int forget(void **state)
{
	(void)state;
	return unlink(path);
}

static int open_file(int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Whether somebody else would find this byte locked. */
static bool is_locked(off_t byte)
{
	int fd = open_file(O_RDWR);
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
	close(fd);
	return lock.l_type != F_UNLCK;
}

static void it_is_the_librarys_once_the_image_is_open(void **state)
{
	(void)state;
	struct qcow2bm_image *image;
	int fd = open_file(O_RDWR);
	assert_int_equal(
		qcow2bm_image_open_fd(&image, fd, QCOW2BM_OPEN_WRITE, 0, NULL, NULL),
		QCOW2BM_OK);
	assert_int_equal(qcow2bm_bitmap_count(image), 1);
	assert_true(is_locked(101));
	qcow2bm_image_close(image);
	assert_false(is_open(fd));
	assert_false(is_locked(101));
}

static void an_edit_through_it_is_in_the_file(void **state)
{
	(void)state;
	struct qcow2bm_image *image;
	struct qcow2bm_edit *edit;
	assert_int_equal(qcow2bm_image_open_fd(&image, open_file(O_RDWR),
					       QCOW2BM_OPEN_WRITE, 0, NULL, NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_begin(&edit, image, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_rename(edit, "a", 1, "b", 1, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_edit_commit(edit, NULL, NULL, NULL, NULL), QCOW2BM_OK);
	qcow2bm_edit_end(edit);
	qcow2bm_image_close(image);
	assert_int_equal(qcow2bm_image_open(&image, path, 0, 0, NULL, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_bitmap_find(image, "b", 1), 0);
	qcow2bm_image_close(image);
}

/* A duplicate keeps the open file, and its locks with it. */
static void the_locks_go_although_a_duplicate_stays(void **state)
{
	(void)state;
	struct qcow2bm_image *image;
	int fd = open_file(O_RDWR), twin = dup(fd);
	assert_int_equal(
		qcow2bm_image_open_fd(&image, fd, QCOW2BM_OPEN_WRITE, 0, NULL, NULL),
		QCOW2BM_OK);
	assert_true(is_locked(101));
	qcow2bm_image_close(image);
	assert_false(is_locked(101));
	close(twin);
}

static void others_are_kept_out(void **state)
{
	(void)state;
	struct qcow2bm_image *image, *other;
	int fd = open_file(O_RDWR);
	assert_int_equal(
		qcow2bm_image_open(&image, path, QCOW2BM_OPEN_WRITE, 0, NULL, NULL),
		QCOW2BM_OK);
	assert_int_equal(
		qcow2bm_image_open_fd(&other, fd, QCOW2BM_OPEN_WRITE, 0, NULL, NULL),
		QCOW2BM_EBUSY);
	assert_true(is_open(fd));
	qcow2bm_image_close(image);
	close(fd);
}

static void expect_refused(int fd, unsigned flags, enum qcow2bm_code code,
			   const char *words)
{
	struct qcow2bm_image *image;
	struct qcow2bm_error err = {0};
	assert_int_equal(qcow2bm_image_open_fd(&image, fd, flags, 0, NULL, &err), code);
	if (strstr(err.sentence, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, err.sentence);
	if (fd >= 0) {
		assert_true(is_open(fd));
		close(fd);
	}
}

static void after_a_failure_it_is_the_callers(void **state)
{
	(void)state;
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	close(pipes[1]);
	expect_refused(pipes[0], 0, QCOW2BM_ENOTQCOW2, "a pipe");
	expect_refused(-1, 0, QCOW2BM_ESYSTEM, "cannot use -1");
	expect_refused(open_file(O_WRONLY), 0, QCOW2BM_EINVAL, "not open for reading");
	expect_refused(open_file(O_RDONLY), QCOW2BM_OPEN_WRITE, QCOW2BM_EINVAL,
		       "not open for writing");
	expect_refused(open_file(O_RDWR | O_APPEND), 0, QCOW2BM_EINVAL, "O_APPEND");
	expect_refused(open_file(O_PATH), 0, QCOW2BM_EINVAL, "O_PATH");
	expect_refused(open_file(O_RDWR), QCOW2BM_OPEN_WRITE | QCOW2BM_OPEN_FORCE_SHARE,
		       QCOW2BM_EINVAL, "force-share");
	expect_refused(open_file(O_RDONLY), 1u << 20, QCOW2BM_EINVAL,
		       "no flags 0x100000");
	/* One that fails when it is read: */
	assert_int_equal(truncate(path, 50), 0);
	expect_refused(open_file(O_RDWR), QCOW2BM_OPEN_WRITE, QCOW2BM_EIMAGE, "");
	assert_false(is_locked(101));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_the_librarys_once_the_image_is_open,
						make, forget),
		cmocka_unit_test_setup_teardown(an_edit_through_it_is_in_the_file, make,
						forget),
		cmocka_unit_test_setup_teardown(the_locks_go_although_a_duplicate_stays,
						make, forget),
		cmocka_unit_test_setup_teardown(others_are_kept_out, make, forget),
		cmocka_unit_test_setup_teardown(after_a_failure_it_is_the_callers, make,
						forget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
