/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files of other programs that change with images: all or none; what is refused leaves all as it was. */
#define _GNU_SOURCE

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "edit/intent.h"
#include "others_world.h"

static void all_change(void **state)
{
	struct others_world world;
	(void)state;
	others_open(&world);
	/* Of an edit that was cut off, and readable: it is not written to. */
	others_put(world.temporaries[0], "something that is much longer", 0644);
	assert_int_equal(others_commit(&world), QCOW2BM_OK);
	others_is_new(&world);
	assert_int_equal(others_mode(world.paths[0]), 0640);
	assert_int_equal(others_mode(world.paths[2]), 0600);
	others_close(&world);
}

static void a_file_that_changed_meanwhile_is_refused(void **state)
{
	struct others_world world;
	(void)state;
	others_open(&world);
	world.files[1].old_bytes = "old c";
	assert_int_equal(others_commit(&world), QCOW2BM_EBUSY);
	others_is_old(&world);
	world.files[1].old_bytes = NULL;
	assert_int_equal(others_commit(&world), QCOW2BM_EBUSY);
	others_is_old(&world);
	/* One without bytes is not one that is not there. */
	world.files[1].old_bytes = "old b";
	others_put(world.paths[2], "", 0600);
	assert_int_equal(others_commit(&world), QCOW2BM_EBUSY);
	others_holds(world.paths[2], "");
	assert_int_equal(unlink(world.paths[2]), 0);
	others_is_old(&world);
	others_close(&world);
}

/* What is no regular file is neither read nor written. */
static void links_are_refused(void **state)
{
	struct others_world world;
	(void)state;
	others_open(&world);
	assert_int_equal(symlink(world.paths[0], world.paths[2]), 0);
	assert_int_equal(others_commit(&world), QCOW2BM_ESYSTEM);
	assert_int_equal(world.err.sys_errno, ELOOP);
	assert_int_equal(unlink(world.paths[2]), 0);
	assert_int_equal(mkfifo(world.paths[2], 0600), 0);
	assert_int_equal(others_commit(&world), QCOW2BM_EUNSUPPORTED);
	assert_int_equal(unlink(world.paths[2]), 0);
	others_is_old(&world);
	others_close(&world);
}

/* When the last of them cannot be written those before are taken back. */
static void no_room_for_one_changes_none(void **state)
{
	struct others_world world;
	(void)state;
	others_open(&world);
	assert_int_equal(mkdir(world.temporaries[2], 0700), 0);
	assert_int_equal(others_commit(&world), QCOW2BM_ESYSTEM);
	assert_int_equal(rmdir(world.temporaries[2]), 0);
	others_is_old(&world);
	world.files[2].temporary = "/nowhere/at/all";
	assert_int_equal(others_commit(&world), QCOW2BM_ESYSTEM);
	others_is_old(&world);
	others_close(&world);
}

static void limits_are_told(void **state)
{
	struct others_world world;
	struct qcow2bm_commit_options options = QCOW2BM_COMMIT_OPTIONS_INIT;
	(void)state;
	others_open(&world);
	char *huge = malloc(Q2_INTENT_MAX_FILE_BYTES + 2);
	assert_non_null(huge);
	memset(huge, 'x', Q2_INTENT_MAX_FILE_BYTES + 1);
	huge[Q2_INTENT_MAX_FILE_BYTES + 1] = '\0';
	world.files[0].new_bytes = huge;
	world.files[0].new_count = Q2_INTENT_MAX_FILE_BYTES + 1;
	assert_int_equal(others_commit(&world), QCOW2BM_ELIMIT);
	/* One that is there. */
	others_put(world.paths[0], huge, 0640);
	assert_int_equal(others_commit(&world), QCOW2BM_ELIMIT);
	huge[Q2_INTENT_MAX_FILE_BYTES] = '\0';
	others_put(world.paths[0], huge, 0640);
	world.files[0].old_bytes = huge;
	world.files[0].old_count = Q2_INTENT_MAX_FILE_BYTES;
	world.files[0].new_bytes = "new a!";
	world.files[0].new_count = 6;
	assert_int_equal(others_commit(&world), QCOW2BM_OK);
	free(huge);
	others_is_new(&world);
	options.files = world.files;
	options.file_count = 1;
	assert_int_equal(
		qcow2bm_together_commit(NULL, 0, NULL, &options, NULL, NULL, NULL, NULL),
		QCOW2BM_EINVAL);
	others_close(&world);
}

/* One path by two names, and one temporary name of two files. */
static void a_name_of_two_files_is_refused(void **state)
{
	struct others_world world;
	char other_name[160];
	(void)state;
	others_open(&world);
	snprintf(other_name, sizeof(other_name), "%s/./0", world.folder);
	world.files[1] = world.files[0];
	world.files[1].filename = other_name;
	world.files[1].temporary = world.temporaries[1];
	assert_int_equal(others_commit(&world), QCOW2BM_EINVAL);
	others_is_old(&world);
	world.files[1].filename = world.paths[1];
	world.files[1].old_bytes = "old b";
	world.files[1].temporary = world.temporaries[0];
	assert_int_equal(others_commit(&world), QCOW2BM_EINVAL);
	assert_non_null(strstr(world.err.sentence, "is named twice"));
	others_is_old(&world);
	others_close(&world);
}

/* Nothing is switched that could not be completed: the rename would fail for ever. */
static void another_file_system_is_refused(void **state)
{
	struct others_world world;
	struct stat here, there;
	char temporary[] = "/dev/shm/test_others.XXXXXX";
	(void)state;
	others_open(&world);
	int fd = mkstemp(temporary);
	bool is_other = fd >= 0 && fstat(fd, &there) == 0 &&
			stat(world.folder, &here) == 0 && here.st_dev != there.st_dev;
	if (fd >= 0)
		close(fd);
	world.files[1].temporary = temporary;
	if (is_other)
		assert_int_equal(others_commit(&world), QCOW2BM_EUNSUPPORTED);
	(void)!unlink(temporary);
	others_is_old(&world);
	others_close(&world);
	if (!is_other)
		skip();
}

/* In a mount namespace of its own, where `what` is mounted on itself: 0, or what went wrong; -1 when that is not
 * permitted. */
static int commit_with_mount(struct others_world *world, const char *what)
{
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (unshare(CLONE_NEWNS) != 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount(what, what, NULL, MS_BIND, NULL) != 0)
			_exit(77);
		enum qcow2bm_code code = others_commit(world);
		_exit(code == QCOW2BM_EUNSUPPORTED &&
				      strstr(world->err.sentence, "not in one mount")
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 77 ? -1 : WEXITSTATUS(status);
}

/* Of one file system: the device tells nothing. The folder is a mount, or one of the files. */
static void another_mount_is_refused(void **state)
{
	struct others_world world;
	(void)state;
	others_open(&world);
	char names[FILES][160];
	for (size_t i = 0; i < FILES; i++) {
		snprintf(names[i], sizeof(names[i]), "%s/../.%s-%zu", world.folder,
			 strrchr(world.folder, '/') + 1, i);
		world.files[i].temporary = names[i];
	}
	int folder = commit_with_mount(&world, world.folder);
	others_is_old(&world);
	int file = commit_with_mount(&world, world.paths[1]);
	others_is_old(&world);
	assert_int_equal(folder, folder < 0 ? -1 : 0);
	assert_int_equal(file, file < 0 ? -1 : 0);
	assert_int_equal(others_commit(&world), QCOW2BM_OK);
	others_is_new(&world);
	for (size_t i = 0; i < FILES; i++)
		others_holds(names[i], NULL);
	others_close(&world);
	if (folder < 0)
		skip();
}

static void the_owner_stays(void **state)
{
	struct others_world world;
	struct stat st;
	(void)state;
	if (geteuid() != 0)
		skip();
	others_open(&world);
	assert_int_equal(chown(world.paths[0], 1, 2), 0);
	assert_int_equal(others_commit(&world), QCOW2BM_OK);
	others_is_new(&world);
	assert_int_equal(stat(world.paths[0], &st), 0);
	assert_int_equal(st.st_uid, 1);
	assert_int_equal(st.st_gid, 2);
	assert_int_equal(stat(world.paths[2], &st), 0);
	assert_int_equal(st.st_uid, 0);
	others_close(&world);
}

/* It would be one that resume does not obey. */
static void setuid_is_not_kept(void **state)
{
	struct others_world world;
	(void)state;
	others_open(&world);
	others_put(world.paths[0], "old a", 06750);
	assert_int_equal(others_commit(&world), QCOW2BM_OK);
	others_is_new(&world);
	assert_int_equal(others_mode(world.paths[0]), 0750);
	others_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_change),
		cmocka_unit_test(a_file_that_changed_meanwhile_is_refused),
		cmocka_unit_test(links_are_refused),
		cmocka_unit_test(no_room_for_one_changes_none),
		cmocka_unit_test(limits_are_told),
		cmocka_unit_test(a_name_of_two_files_is_refused),
		cmocka_unit_test(another_file_system_is_refused),
		cmocka_unit_test(another_mount_is_refused),
		cmocka_unit_test(the_owner_stays),
		cmocka_unit_test(setuid_is_not_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
