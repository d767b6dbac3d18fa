/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One sentence for each failure: the first one, whole or cut. */
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_first_failure_stays(void **state)
{
	(void)state;
	struct qcow2bm_error err = {0};
	assert_int_equal(q2_fail(&err, QCOW2BM_EIMAGE, 7, "entry %d is bad", 3),
			 QCOW2BM_EIMAGE);
	assert_int_equal(q2_fail(&err, QCOW2BM_ELIMIT, 8, "later"), QCOW2BM_ELIMIT);
	assert_int_equal(q2_fail_errno(&err, EIO, 9, "later"), QCOW2BM_ESYSTEM);
	assert_int_equal(q2_fail_memory(&err, "later"), QCOW2BM_ENOMEM);
	assert_int_equal(err.code, QCOW2BM_EIMAGE);
	assert_int_equal(err.sys_errno, 0);
	assert_int_equal(err.offset, 7);
	assert_string_equal(err.sentence, "entry 3 is bad");
}

static void test_nobody_asks(void **state)
{
	(void)state;
	assert_int_equal(q2_fail(NULL, QCOW2BM_EIMAGE, 7, "bad"), QCOW2BM_EIMAGE);
	assert_int_equal(q2_fail_errno(NULL, EIO, 7, "bad"), QCOW2BM_ESYSTEM);
	assert_int_equal(q2_fail_memory(NULL, "a table"), QCOW2BM_ENOMEM);
}

static void test_text_of_errno(void **state)
{
	(void)state;
	struct qcow2bm_error err = {0};
	assert_int_equal(q2_fail_errno(&err, ENOSPC, 512, "cannot write %d bytes", 4),
			 QCOW2BM_ESYSTEM);
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_int_equal(err.offset, 512);
	assert_string_equal(err.sentence,
			    "cannot write 4 bytes: No space left on device");
}

/* The number is said where the system has no text for it. */
static void test_unknown_errno(void **state)
{
	(void)state;
	struct qcow2bm_error err = {0};
	q2_fail_errno(&err, 12345, QCOW2BM_NO_OFFSET, "cannot read");
	assert_int_equal(err.sys_errno, 12345);
	assert_memory_equal(err.sentence, "cannot read: ", 13);
	assert_non_null(strstr(err.sentence, "error 12345"));
}

static void test_advice_is_taken_off_the_end(void **state)
{
	(void)state;
	struct qcow2bm_error err = {.sentence = "it is bad" QCOW2BM_SEE_CHECK};
	q2_drop_advice(&err);
	assert_string_equal(err.sentence, "it is bad");
	q2_drop_advice(&err);
	assert_string_equal(err.sentence, "it is bad");
}

static void expect_layer(const char *filename, const char *sentence, const char *wanted)
{
	struct qcow2bm_error err = {0}, why = {.code = QCOW2BM_EIMAGE, .offset = 7};
	snprintf(why.sentence, sizeof(why.sentence), "%s", sentence);
	assert_int_equal(q2_fail_layer(&err, &why, filename), QCOW2BM_EIMAGE);
	assert_int_equal(err.offset, 7);
	assert_string_equal(err.sentence, wanted);
}

/* The advice behind a long sentence is not cut, and is not given where the name is not told whole. */
static void test_layers_are_named(void **state)
{
	(void)state;
	char name[300], sentence[480], wanted[600];
	expect_layer("mid", "it is bad", "layer 'mid': it is bad");
	expect_layer("mid", "it is bad" QCOW2BM_SEE_CHECK,
		     "layer 'mid': it is bad" QCOW2BM_SEE_CHECK);
	expect_layer("a': b", "it is bad" QCOW2BM_SEE_CHECK, "layer 'a': b': it is bad");
	memset(sentence, 'x', sizeof(sentence));
	strcpy(sentence + 400, QCOW2BM_SEE_CHECK);
	snprintf(wanted, sizeof(wanted), "layer 'mid': %.270s" QCOW2BM_SEE_CHECK,
		 sentence);
	expect_layer("mid", sentence, wanted);
	memset(name, 'n', sizeof(name));
	name[201] = '\0';
	snprintf(wanted, sizeof(wanted), "layer '%.200s': it is bad", name);
	expect_layer(name, "it is bad" QCOW2BM_SEE_CHECK, wanted);
}

static void test_long_sentences_are_cut(void **state)
{
	(void)state;
	struct qcow2bm_error err = {0};
	char name[2 * sizeof(err.sentence)];
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	q2_fail_errno(&err, EIO, 0, "%s", name);
	assert_int_equal(strlen(err.sentence), sizeof(err.sentence) - 1);
	memset(&err, 0, sizeof(err));
	name[sizeof(err.sentence) - 3] = '\0';
	q2_fail_errno(&err, EIO, 0, "%s", name);
	assert_int_equal(strlen(err.sentence), sizeof(err.sentence) - 1);
	assert_string_equal(err.sentence + sizeof(err.sentence) - 4, "x: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_failure_stays),
		cmocka_unit_test(test_nobody_asks),
		cmocka_unit_test(test_text_of_errno),
		cmocka_unit_test(test_unknown_errno),
		cmocka_unit_test(test_advice_is_taken_off_the_end),
		cmocka_unit_test(test_layers_are_named),
		cmocka_unit_test(test_long_sentences_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
