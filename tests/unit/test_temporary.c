/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which names libvirt gives for the time of a job, and which only look so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "format/name.h"

static bool is_temporary(const char *name)
{
	return q2_name_is_temporary((const uint8_t *)name, strlen(name));
}

static void test_given_by_libvirt(void **state)
{
	(void)state;
	static const char *const names[] = {
		"libvirt-tmp-activewrite",
		"libvirt-tmp-size-xlate",
		"libvirt-tmp-",
		"backup-vda",
		"backup-sdb",
		"backup-hda",
		"backup-xvdc",
		"backup-fda",
		"backup-ubda",
		"backup-vdaa",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_true(is_temporary(names[i]));
}

static void test_given_for_good(void **state)
{
	(void)state;
	static const char *const names[] = {
		"",
		"backup-",
		"backup-1711586400",
		"backup-weekly",
		"backup",
		"backup-vd",
		"backup-vd1",
		"backup-vda1",
		"backup-VDA",
		"backup-vda.old",
		"backup-sda-2026",
		"xbackup-vda",
		"qcow2bm-commit-0",
		"qcow2bm-rebase-a",
		"libvirt-tm",
		"libvirt-tmp",
		"my-libvirt-tmp-x",
		"vda",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_false(is_temporary(names[i]));
}

static void test_bytes(void **state)
{
	(void)state;
	/* The length counts, not a terminator. */
	assert_false(q2_name_is_temporary((const uint8_t *)"backup-vda", 9));
	assert_false(q2_name_is_temporary((const uint8_t *)"backup-vda\0", 11));
	assert_false(q2_name_is_temporary(NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given_by_libvirt),
		cmocka_unit_test(test_given_for_good),
		cmocka_unit_test(test_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
