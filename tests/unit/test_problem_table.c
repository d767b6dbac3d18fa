/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of problems: each row is whole, and rows of one code agree in what scripts read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "image/problem_table.h"

static const struct q2_problem_kind *row(unsigned id)
{
	return q2_problem_table_find((enum q2_problem_id)id);
}

/* What check tells to do goes by the cures: a problem without one would have no advice. */
static void every_problem_has_a_cure(void **state)
{
	(void)state;
	for (unsigned id = 0; id < Q2_PROBLEMS; id++) {
		assert_non_null(row(id)->code);
		if (row(id)->severity != QCOW2BM_SEVERITY_NOTE)
			assert_int_not_equal(row(id)->cure, QCOW2BM_CURE_NONE);
	}
}

static void codes_are_small_letters_and_dashes(void **state)
{
	(void)state;
	for (unsigned id = 0; id < Q2_PROBLEMS; id++) {
		size_t length = strlen(row(id)->code);
		assert_true(length != 0);
		assert_int_equal(
			strspn(row(id)->code, "abcdefghijklmnopqrstuvwxyz0123456789-"),
			length);
	}
}

/* Repair asks where there is a choice, and nowhere else. */
static void a_choice_is_asked_for_where_one_is_the_cure(void **state)
{
	(void)state;
	for (unsigned id = 0; id < Q2_PROBLEMS; id++)
		assert_int_equal(row(id)->choice != Q2_CHOICE_NONE,
				 row(id)->cure == QCOW2BM_CURE_CHOOSE);
}

static void one_code_has_one_area_and_traits(void **state)
{
	(void)state;
	for (unsigned a = 0; a < Q2_PROBLEMS; a++)
		for (unsigned b = 0; b < a; b++) {
			if (strcmp(row(a)->code, row(b)->code) != 0)
				continue;
			assert_int_equal(row(a)->area, row(b)->area);
			assert_int_equal(row(a)->traits, row(b)->traits);
			assert_int_equal(row(a)->corruption, row(b)->corruption);
		}
}

/* Errors alone are corruptions, and endanger what the guest has. */
static void what_is_no_error_corrupts_nothing(void **state)
{
	(void)state;
	for (unsigned id = 0; id < Q2_PROBLEMS; id++) {
		if (row(id)->severity == QCOW2BM_SEVERITY_ERROR)
			continue;
		assert_int_equal(row(id)->corruption, Q2_CORRUPTION_NONE);
		assert_int_equal(row(id)->traits & QCOW2BM_PROBLEM_RISKS_DATA, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_problem_has_a_cure),
		cmocka_unit_test(codes_are_small_letters_and_dashes),
		cmocka_unit_test(a_choice_is_asked_for_where_one_is_the_cure),
		cmocka_unit_test(one_code_has_one_area_and_traits),
		cmocka_unit_test(what_is_no_error_corrupts_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
