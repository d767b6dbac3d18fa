/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files of other programs whose change was cut off: finished, or taken back, by an intent file that is the
 * caller's own. */
#define _GNU_SOURCE

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "edit/intent_file.h"
#include "edit/others.h"
#include "edit/together.h"
#include "others_world.h"

static void told(void *opaque, const struct qcow2bm_resume_result *result)
{
	struct others_world *world = opaque;
	world->told = result->count;
	world->outcome = result->outcome;
}

static enum qcow2bm_code resume(struct others_world *world)
{
	memset(&world->err, 0, sizeof(world->err));
	return qcow2bm_together_resume(world->intent, 0, 0, told, world, NULL,
				       &world->err);
}

static void note_all(struct others_world *world, struct q2_intent_file *noted)
{
	memset(noted, 0, FILES * sizeof(*noted));
	for (size_t i = 0; i < FILES; i++)
		assert_int_equal(q2_others_note(&noted[i], &world->files[i], NULL),
				 QCOW2BM_OK);
}

/* The first `switched` of them have these bytes from now on. */
static void switch_all(const struct q2_intent_file *noted,
		       enum qcow2bm_resume_held wanted, size_t switched)
{
	for (size_t i = 0; i < FILES; i++)
		assert_int_equal(q2_others_write(&noted[i], wanted, NULL), QCOW2BM_OK);
	for (size_t i = 0; i < switched; i++)
		assert_int_equal(q2_others_switch(&noted[i], wanted, NULL), QCOW2BM_OK);
}

static void free_all(struct q2_intent_file *noted)
{
	for (size_t i = 0; i < FILES; i++) {
		free(noted[i].path);
		free(noted[i].temporary);
		free(noted[i].old_bytes.bytes);
		free(noted[i].new_bytes.bytes);
	}
}

/* As a kill behind `switched` of the files leaves it. */
static void cut_off(struct others_world *world, size_t switched)
{
	struct q2_intent_file noted[FILES];
	struct q2_intent intent = {.files = noted, .file_count = FILES};
	struct q2_storage *file;
	note_all(world, noted);
	assert_int_equal(q2_file_create(&file, world->intent, NULL), QCOW2BM_OK);
	assert_int_equal(q2_intent_store(&intent, file, NULL), QCOW2BM_OK);
	q2_storage_close(file);
	switch_all(noted, QCOW2BM_RESUME_NEW, switched);
	free_all(noted);
}

/* Where an image cannot be switched over any more. */
static void all_can_be_taken_back(void **state)
{
	struct others_world world;
	struct q2_intent_file noted[FILES];
	(void)state;
	others_open(&world);
	note_all(&world, noted);
	switch_all(noted, QCOW2BM_RESUME_NEW, FILES);
	others_is_new(&world);
	switch_all(noted, QCOW2BM_RESUME_OLD, FILES);
	others_is_old(&world);
	assert_int_equal(others_mode(world.paths[0]), 0640);
	assert_int_equal(others_mode(world.paths[1]), 0640);
	free_all(noted);
	others_close(&world);
}

static void what_is_cut_off_is_finished(void **state)
{
	struct others_world world;
	(void)state;
	for (size_t switched = 0; switched <= FILES; switched++) {
		others_open(&world);
		cut_off(&world, switched);
		enum qcow2bm_code code = others_commit(&world);
		assert_int_equal(code, switched == 0 ? QCOW2BM_ESYSTEM : QCOW2BM_EBUSY);
		assert_true(switched != 0 || world.err.sys_errno == EEXIST);
		assert_int_equal(resume(&world), QCOW2BM_OK);
		assert_int_equal(world.told, FILES);
		assert_int_equal(world.outcome, QCOW2BM_RESUME_FINISHED);
		others_is_new(&world);
		assert_int_equal(others_mode(world.paths[0]), 0640);
		others_close(&world);
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
	struct others_world world;
	(void)state;
	others_open(&world);
	struct q2_intent_place place = {.path = world.intent,
					.opaque = world.intent,
					.create = create_intent,
					.remove = keep_intent};
	struct q2_together together = {
		.place = &place, .files = world.files, .file_count = FILES};
	assert_int_equal(q2_together_commit(&together, &world.err), QCOW2BM_EUNKNOWN);
	assert_int_equal(world.err.sys_errno, EROFS);
	assert_non_null(strstr(world.err.sentence, "all files are changed"));
	others_is_new(&world);
	assert_int_equal(resume(&world), QCOW2BM_OK);
	others_is_new(&world);
	others_close(&world);
}

static void somebody_elses_bytes_stay(void **state)
{
	struct others_world world;
	(void)state;
	others_open(&world);
	cut_off(&world, 1);
	others_put(world.paths[1], "theirs", 0600);
	assert_int_equal(resume(&world), QCOW2BM_EINVAL);
	assert_non_null(strstr(world.err.sentence, "a file was changed since"));
	others_holds(world.paths[1], "theirs");
	others_put(world.paths[1], "old b", 0640);
	assert_int_equal(resume(&world), QCOW2BM_OK);
	others_is_new(&world);
	others_close(&world);
}

/* Nor is the intent obeyed, and it stays, when it could be another user's. */
static void is_not_obeyed(struct others_world *world, enum qcow2bm_code code,
			  const char *words)
{
	world->told = 0;
	assert_int_equal(resume(world), code);
	if (words != NULL && strstr(world->err.sentence, words) == NULL)
		fail_msg("%s", world->err.sentence);
	assert_int_equal(world->told, 0);
	others_is_old(world);
}

static void an_intent_that_others_may_write_is_not_obeyed(void **state)
{
	static const mode_t modes[] = {0620, 0602, 0666};
	struct others_world world;
	(void)state;
	others_open(&world);
	cut_off(&world, 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(world.intent, modes[i]), 0);
		is_not_obeyed(&world, QCOW2BM_EINVAL, "lets others write it");
	}
	assert_int_equal(chmod(world.intent, 0644), 0);
	assert_int_equal(resume(&world), QCOW2BM_OK);
	others_is_new(&world);
	others_close(&world);
}

static void an_intent_of_another_user_is_not_obeyed(void **state)
{
	struct others_world world;
	(void)state;
	if (geteuid() != 0)
		skip();
	others_open(&world);
	cut_off(&world, 0);
	assert_int_equal(chown(world.intent, 1, (gid_t)-1), 0);
	is_not_obeyed(&world, QCOW2BM_EINVAL, "belongs to user 1");
	assert_int_equal(chown(world.intent, 0, (gid_t)-1), 0);
	assert_int_equal(resume(&world), QCOW2BM_OK);
	others_is_new(&world);
	others_close(&world);
}

static void a_link_to_an_intent_is_not_followed(void **state)
{
	struct others_world world;
	char link[160];
	(void)state;
	others_open(&world);
	cut_off(&world, 0);
	snprintf(link, sizeof(link), "%s.moved", world.intent);
	assert_int_equal(rename(world.intent, link), 0);
	assert_int_equal(symlink(link, world.intent), 0);
	is_not_obeyed(&world, QCOW2BM_ESYSTEM, NULL);
	assert_int_equal(world.err.sys_errno, ELOOP);
	assert_int_equal(rename(link, world.intent), 0);
	assert_int_equal(resume(&world), QCOW2BM_OK);
	others_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_can_be_taken_back),
		cmocka_unit_test(what_is_cut_off_is_finished),
		cmocka_unit_test(an_intent_that_stays_is_no_refusal),
		cmocka_unit_test(somebody_elses_bytes_stay),
		cmocka_unit_test(an_intent_that_others_may_write_is_not_obeyed),
		cmocka_unit_test(an_intent_of_another_user_is_not_obeyed),
		cmocka_unit_test(a_link_to_an_intent_is_not_followed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
