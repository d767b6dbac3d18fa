/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every value of a public enum has a name of its own, and the library has its header's version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "qcow2bm.h"

/* The names from 0 to `last` are all there and differ; behind them there is none. */
#define CHECK_NAMES(name, type, last)                                                  \
	do {                                                                           \
		for (unsigned i = 0; i <= (unsigned)(last); i++) {                     \
			assert_non_null(name((type)i));                                \
			for (unsigned j = 0; j < i; j++)                               \
				assert_string_not_equal(name((type)i), name((type)j)); \
		}                                                                      \
		assert_null(name((type)((unsigned)(last) + 1)));                       \
		assert_null(name((type)-1));                                           \
	} while (0)

static void each_value_has_one(void **state)
{
	(void)state;
	CHECK_NAMES(qcow2bm_code_name, enum qcow2bm_code, QCOW2BM_EUNKNOWN);
	CHECK_NAMES(qcow2bm_state_name, enum qcow2bm_state, QCOW2BM_STATE_CORRUPT);
	CHECK_NAMES(qcow2bm_severity_name, enum qcow2bm_severity, QCOW2BM_SEVERITY_ERROR);
	CHECK_NAMES(qcow2bm_area_name, enum qcow2bm_area, QCOW2BM_AREA_GUEST);
	CHECK_NAMES(qcow2bm_cure_name, enum qcow2bm_cure, QCOW2BM_CURE_AGAIN);
	CHECK_NAMES(qcow2bm_chain_cure_name, enum qcow2bm_chain_cure,
		    QCOW2BM_CHAIN_CURE_AGAIN);
	CHECK_NAMES(qcow2bm_mending_name, enum qcow2bm_mending, QCOW2BM_MENDING_LEFT);
	CHECK_NAMES(qcow2bm_recovery_name, enum qcow2bm_recovery,
		    QCOW2BM_RECOVER_COMPARED);
	CHECK_NAMES(qcow2bm_guarantee_name, enum qcow2bm_guarantee,
		    QCOW2BM_GUARANTEE_UNSAFE);
	CHECK_NAMES(qcow2bm_condition_name, enum qcow2bm_condition,
		    QCOW2BM_CONDITION_COUNT - 1);
	CHECK_NAMES(qcow2bm_old_kind_name, enum qcow2bm_old_kind, QCOW2BM_OLD_MANIFEST);
	CHECK_NAMES(qcow2bm_base_name, enum qcow2bm_base, QCOW2BM_BASE_OTHER);
	CHECK_NAMES(qcow2bm_proof_name, enum qcow2bm_proof, QCOW2BM_PROOF_OPEN);
	CHECK_NAMES(qcow2bm_outcome_name, enum qcow2bm_outcome, QCOW2BM_OUTCOME_WRONG);
	CHECK_NAMES(qcow2bm_cause_name, enum qcow2bm_cause, QCOW2BM_CAUSE_LOST_BITS);
	CHECK_NAMES(qcow2bm_change_name, enum qcow2bm_change_kind, QCOW2BM_CHANGE_NONE);
	CHECK_NAMES(qcow2bm_carved_state_name, enum qcow2bm_carved_state,
		    QCOW2BM_CARVED_NOT_JUDGED);
	CHECK_NAMES(qcow2bm_resume_held_name, enum qcow2bm_resume_held,
		    QCOW2BM_RESUME_NEITHER);
	CHECK_NAMES(qcow2bm_resume_outcome_name, enum qcow2bm_resume_outcome,
		    QCOW2BM_RESUME_NOT_BEGUN);
	assert_string_equal(qcow2bm_code_name(QCOW2BM_EINUSE), "EINUSE");
}

static void the_header_has_the_librarys_version(void **state)
{
	(void)state;
	char version[32];
	snprintf(version, sizeof(version), "%d.%d.%d", QCOW2BM_VERSION_MAJOR,
		 QCOW2BM_VERSION_MINOR, QCOW2BM_VERSION_PATCH);
	assert_string_equal(version, qcow2bm_version());
	assert_int_equal(qcow2bm_version_number(), QCOW2BM_VERSION_NUMBER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_value_has_one),
		cmocka_unit_test(the_header_has_the_librarys_version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
