/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files of other programs that change with images: all or none; what is refused leaves all as it was. */
#define _GNU_SOURCE

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "edit/others.h"
#include "edit/together.h"
#include "qcow2bm.h"

#define FILES 3

struct world {
	char folder[64], intent[128], paths[FILES][128], temporaries[FILES][128];
	struct qcow2bm_together_file files[FILES];
	struct qcow2bm_error err;
	size_t told;
	enum qcow2bm_resume_outcome outcome;
};

static void put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* NULL: it is not there. */
static void holds(const char *path, const char *text)
{
	char bytes[64] = "";
	int fd = open(path, O_RDONLY);
	assert_int_equal(fd >= 0, text != NULL);
	if (fd < 0)
		return;
	ssize_t count = read(fd, bytes, sizeof(bytes) - 1);
	close(fd);
	assert_int_equal(count, strlen(text));
	assert_string_equal(bytes, text);
}

/* One to be rewritten, one to go, one to come. */
static void open_world(struct world *world)
{
	static const char *const before[FILES] = {"old a", "old b", NULL};
	static const char *const after[FILES] = {"new a!", NULL, "new c"};
	*world = (struct world){.folder = "/tmp/test_others.XXXXXX"};
	assert_non_null(mkdtemp(world->folder));
	snprintf(world->intent, sizeof(world->intent), "%s/intent", world->folder);
	for (size_t i = 0; i < FILES; i++) {
		snprintf(world->paths[i], sizeof(world->paths[i]), "%s/%zu",
			 world->folder, i);
		snprintf(world->temporaries[i], sizeof(world->temporaries[i]), "%s/.t%zu",
			 world->folder, i);
		if (before[i] != NULL)
			put(world->paths[i], before[i], 0640);
		world->files[i] = (struct qcow2bm_together_file){
			.filename = world->paths[i],
			.temporary = world->temporaries[i],
			.old_bytes = before[i],
			.old_count = before[i] == NULL ? 0 : strlen(before[i]),
			.new_bytes = after[i],
			.new_count = after[i] == NULL ? 0 : strlen(after[i]),
		};
	}
}

static void close_world(struct world *world)
{
	for (size_t i = 0; i < FILES; i++) {
		holds(world->temporaries[i], NULL);
		(void)!unlink(world->paths[i]);
	}
	holds(world->intent, NULL);
	assert_int_equal(rmdir(world->folder), 0);
}

static enum qcow2bm_code commit(struct world *world)
{
	struct qcow2bm_commit_options options = QCOW2BM_COMMIT_OPTIONS_INIT;
	options.files = world->files;
	options.file_count = FILES;
	memset(&world->err, 0, sizeof(world->err));
	return qcow2bm_together_commit(NULL, 0, world->intent, &options, NULL, NULL, NULL,
				       &world->err);
}

static void is_old(const struct world *world)
{
	holds(world->paths[0], "old a");
	holds(world->paths[1], "old b");
	holds(world->paths[2], NULL);
}

static void is_new(const struct world *world)
{
	holds(world->paths[0], "new a!");
	holds(world->paths[1], NULL);
	holds(world->paths[2], "new c");
}

static mode_t mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void all_change(void **state)
{
	struct world world;
	(void)state;
	open_world(&world);
	/* Of an edit that was cut off, and readable: it is not written to. */
	put(world.temporaries[0], "something that is much longer", 0644);
	assert_int_equal(commit(&world), QCOW2BM_OK);
	is_new(&world);
	assert_int_equal(mode_of(world.paths[0]), 0640);
	assert_int_equal(mode_of(world.paths[2]), 0600);
	close_world(&world);
}

static void a_file_that_changed_meanwhile_is_refused(void **state)
{
	struct world world;
	(void)state;
	open_world(&world);
	world.files[1].old_bytes = "old c";
	assert_int_equal(commit(&world), QCOW2BM_EBUSY);
	is_old(&world);
	world.files[1].old_bytes = NULL;
	assert_int_equal(commit(&world), QCOW2BM_EBUSY);
	is_old(&world);
	close_world(&world);
}

/* What is no regular file is neither read nor written. */
static void links_are_refused(void **state)
{
	struct world world;
	(void)state;
	open_world(&world);
	assert_int_equal(symlink(world.paths[0], world.paths[2]), 0);
	assert_int_equal(commit(&world), QCOW2BM_ESYSTEM);
	assert_int_equal(world.err.sys_errno, ELOOP);
	assert_int_equal(unlink(world.paths[2]), 0);
	assert_int_equal(mkfifo(world.paths[2], 0600), 0);
	assert_int_equal(commit(&world), QCOW2BM_EUNSUPPORTED);
	assert_int_equal(unlink(world.paths[2]), 0);
	is_old(&world);
	close_world(&world);
}

/* When the last of them cannot be written those before are taken back. */
static void no_room_for_one_changes_none(void **state)
{
	struct world world;
	(void)state;
	open_world(&world);
	assert_int_equal(mkdir(world.temporaries[2], 0700), 0);
	assert_int_equal(commit(&world), QCOW2BM_ESYSTEM);
	assert_int_equal(rmdir(world.temporaries[2]), 0);
	is_old(&world);
	world.files[2].temporary = "/nowhere/at/all";
	assert_int_equal(commit(&world), QCOW2BM_ESYSTEM);
	is_old(&world);
	close_world(&world);
}

static void limits_are_told(void **state)
{
	struct world world;
	struct qcow2bm_commit_options options = QCOW2BM_COMMIT_OPTIONS_INIT;
	(void)state;
	open_world(&world);
	char *huge = calloc(1, Q2_INTENT_MAX_FILE_BYTES + 1);
	assert_non_null(huge);
	world.files[0].new_bytes = huge;
	world.files[0].new_count = Q2_INTENT_MAX_FILE_BYTES + 1;
	assert_int_equal(commit(&world), QCOW2BM_ELIMIT);
	free(huge);
	is_old(&world);
	options.files = world.files;
	options.file_count = 1;
	assert_int_equal(
		qcow2bm_together_commit(NULL, 0, NULL, &options, NULL, NULL, NULL, NULL),
		QCOW2BM_EINVAL);
	close_world(&world);
}

/* One path by two names, and one temporary name of two files. */
static void a_name_of_two_files_is_refused(void **state)
{
	struct world world;
	char other_name[160];
	(void)state;
	open_world(&world);
	snprintf(other_name, sizeof(other_name), "%s/./0", world.folder);
	world.files[1] = world.files[0];
	world.files[1].filename = other_name;
	world.files[1].temporary = world.temporaries[1];
	assert_int_equal(commit(&world), QCOW2BM_EINVAL);
	is_old(&world);
	world.files[1].filename = world.paths[1];
	world.files[1].old_bytes = "old b";
	world.files[1].temporary = world.temporaries[0];
	assert_int_equal(commit(&world), QCOW2BM_EINVAL);
	assert_non_null(strstr(world.err.sentence, "is named twice"));
	is_old(&world);
	close_world(&world);
}

/* Nothing is switched that could not be completed: the rename would fail for ever. */
static void another_file_system_is_refused(void **state)
{
	struct world world;
	struct stat here, there;
	char temporary[] = "/dev/shm/test_others.XXXXXX";
	(void)state;
	open_world(&world);
	int fd = mkstemp(temporary);
	bool is_other = fd >= 0 && fstat(fd, &there) == 0 &&
			stat(world.folder, &here) == 0 && here.st_dev != there.st_dev;
	if (fd >= 0)
		close(fd);
	world.files[1].temporary = temporary;
	if (is_other)
		assert_int_equal(commit(&world), QCOW2BM_EUNSUPPORTED);
	(void)!unlink(temporary);
	is_old(&world);
	close_world(&world);
	if (!is_other)
		skip();
}

/* In a mount namespace of its own, where `what` is mounted on itself: 0, or what went wrong; -1 when that is not
 * permitted. */
static int commit_with_mount(struct world *world, const char *what)
{
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (unshare(CLONE_NEWNS) != 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount(what, what, NULL, MS_BIND, NULL) != 0)
			_exit(77);
		enum qcow2bm_code code = commit(world);
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
	struct world world;
	(void)state;
	open_world(&world);
	char names[FILES][160];
	for (size_t i = 0; i < FILES; i++) {
		snprintf(names[i], sizeof(names[i]), "%s/../.%s-%zu", world.folder,
			 strrchr(world.folder, '/') + 1, i);
		world.files[i].temporary = names[i];
	}
	int folder = commit_with_mount(&world, world.folder);
	is_old(&world);
	int file = commit_with_mount(&world, world.paths[1]);
	is_old(&world);
	assert_int_equal(folder, folder < 0 ? -1 : 0);
	assert_int_equal(file, file < 0 ? -1 : 0);
	assert_int_equal(commit(&world), QCOW2BM_OK);
	is_new(&world);
	for (size_t i = 0; i < FILES; i++)
		holds(names[i], NULL);
	close_world(&world);
	if (folder < 0)
		skip();
}

/* ---- Cut off -------------------------------------------------------------------------------- */

static void told(void *opaque, const struct qcow2bm_resume_result *result)
{
	struct world *world = opaque;
	world->told = result->count;
	world->outcome = result->outcome;
}

static enum qcow2bm_code resume(struct world *world)
{
	memset(&world->err, 0, sizeof(world->err));
	return qcow2bm_together_resume(world->intent, 0, 0, told, world, NULL,
				       &world->err);
}

/* As a kill behind `switched` of the files leaves it. */
static void cut_off(struct world *world, size_t switched)
{
	struct q2_intent_file noted[FILES];
	struct q2_intent intent = {.files = noted, .file_count = FILES};
	struct q2_storage *file;
	memset(noted, 0, sizeof(noted));
	for (size_t i = 0; i < FILES; i++)
		assert_int_equal(q2_others_note(&noted[i], &world->files[i], NULL),
				 QCOW2BM_OK);
	assert_int_equal(q2_file_create(&file, world->intent, NULL), QCOW2BM_OK);
	assert_int_equal(q2_intent_store(&intent, file, NULL), QCOW2BM_OK);
	q2_storage_close(file);
	for (size_t i = 0; i < FILES; i++)
		assert_int_equal(q2_others_write(&noted[i], QCOW2BM_RESUME_NEW, NULL),
				 QCOW2BM_OK);
	for (size_t i = 0; i < switched; i++)
		assert_int_equal(q2_others_switch(&noted[i], QCOW2BM_RESUME_NEW, NULL),
				 QCOW2BM_OK);
	for (size_t i = 0; i < FILES; i++) {
		free(noted[i].path);
		free(noted[i].temporary);
		free(noted[i].old_bytes.bytes);
		free(noted[i].new_bytes.bytes);
	}
}

static void what_is_cut_off_is_finished(void **state)
{
	struct world world;
	(void)state;
	for (size_t switched = 0; switched <= FILES; switched++) {
		open_world(&world);
		cut_off(&world, switched);
		enum qcow2bm_code code = commit(&world);
		assert_int_equal(code, switched == 0 ? QCOW2BM_ESYSTEM : QCOW2BM_EBUSY);
		assert_true(switched != 0 || world.err.sys_errno == EEXIST);
		assert_int_equal(resume(&world), QCOW2BM_OK);
		assert_int_equal(world.told, FILES);
		assert_int_equal(world.outcome, QCOW2BM_RESUME_FINISHED);
		is_new(&world);
		assert_int_equal(mode_of(world.paths[0]), 0640);
		close_world(&world);
	}
}

static enum qcow2bm_code create_intent(void *opaque, struct q2_storage **file,
				       struct qcow2bm_error *err)
{
	return q2_file_create(file, opaque, err);
}

static enum qcow2bm_code keep_intent(void *opaque, struct qcow2bm_error *err)
{
	(void)opaque;
	return q2_fail_errno(err, EROFS, QCOW2BM_NO_OFFSET, "cannot remove it");
}

/* It is no failure that leaves all as it was, though no image can say so. */
static void an_intent_that_stays_is_no_refusal(void **state)
{
	struct world world;
	(void)state;
	open_world(&world);
	struct q2_intent_place place = {.path = world.intent,
					.opaque = world.intent,
					.create = create_intent,
					.remove = keep_intent};
	struct q2_together together = {
		.place = &place, .files = world.files, .file_count = FILES};
	assert_int_equal(q2_together_commit(&together, &world.err), QCOW2BM_EUNKNOWN);
	assert_int_equal(world.err.sys_errno, EROFS);
	assert_non_null(strstr(world.err.sentence, "all files are changed"));
	is_new(&world);
	assert_int_equal(resume(&world), QCOW2BM_OK);
	is_new(&world);
	close_world(&world);
}

static void somebody_elses_bytes_stay(void **state)
{
	struct world world;
	(void)state;
	open_world(&world);
	cut_off(&world, 1);
	put(world.paths[1], "theirs", 0600);
	assert_int_equal(resume(&world), QCOW2BM_EINVAL);
	assert_non_null(strstr(world.err.sentence, "a file was changed since"));
	holds(world.paths[1], "theirs");
	put(world.paths[1], "old b", 0640);
	assert_int_equal(resume(&world), QCOW2BM_OK);
	is_new(&world);
	close_world(&world);
}

/* Nor is the intent obeyed, and it stays, when it could be another user's. */
static void is_not_obeyed(struct world *world, enum qcow2bm_code code, const char *words)
{
	world->told = 0;
	assert_int_equal(resume(world), code);
	if (words != NULL && strstr(world->err.sentence, words) == NULL)
		fail_msg("%s", world->err.sentence);
	assert_int_equal(world->told, 0);
	is_old(world);
}

static void an_intent_that_others_may_write_is_not_obeyed(void **state)
{
	static const mode_t modes[] = {0620, 0602, 0666};
	struct world world;
	(void)state;
	open_world(&world);
	cut_off(&world, 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(world.intent, modes[i]), 0);
		is_not_obeyed(&world, QCOW2BM_EINVAL, "lets others write it");
	}
	assert_int_equal(chmod(world.intent, 0644), 0);
	assert_int_equal(resume(&world), QCOW2BM_OK);
	is_new(&world);
	close_world(&world);
}

static void an_intent_of_another_user_is_not_obeyed(void **state)
{
	struct world world;
	(void)state;
	if (geteuid() != 0)
		skip();
	open_world(&world);
	cut_off(&world, 0);
	assert_int_equal(chown(world.intent, 1, (gid_t)-1), 0);
	is_not_obeyed(&world, QCOW2BM_EINVAL, "belongs to user 1");
	assert_int_equal(chown(world.intent, 0, (gid_t)-1), 0);
	assert_int_equal(resume(&world), QCOW2BM_OK);
	is_new(&world);
	close_world(&world);
}

static void a_link_to_an_intent_is_not_followed(void **state)
{
	struct world world;
	char link[160];
	(void)state;
	open_world(&world);
	cut_off(&world, 0);
	snprintf(link, sizeof(link), "%s.moved", world.intent);
	assert_int_equal(rename(world.intent, link), 0);
	assert_int_equal(symlink(link, world.intent), 0);
	is_not_obeyed(&world, QCOW2BM_ESYSTEM, NULL);
	assert_int_equal(world.err.sys_errno, ELOOP);
	assert_int_equal(rename(link, world.intent), 0);
	assert_int_equal(resume(&world), QCOW2BM_OK);
	close_world(&world);
}

/* It would be one that resume does not obey. */
static void setuid_is_not_kept(void **state)
{
	struct world world;
	(void)state;
	open_world(&world);
	put(world.paths[0], "old a", 06750);
	assert_int_equal(commit(&world), QCOW2BM_OK);
	is_new(&world);
	assert_int_equal(mode_of(world.paths[0]), 0750);
	close_world(&world);
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
		cmocka_unit_test(what_is_cut_off_is_finished),
		cmocka_unit_test(an_intent_that_stays_is_no_refusal),
		cmocka_unit_test(somebody_elses_bytes_stay),
		cmocka_unit_test(an_intent_that_others_may_write_is_not_obeyed),
		cmocka_unit_test(an_intent_of_another_user_is_not_obeyed),
		cmocka_unit_test(a_link_to_an_intent_is_not_followed),
		cmocka_unit_test(setuid_is_not_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
