/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files for the tests of files, in a folder that goes away with them. */
#define _POSIX_C_SOURCE 200809L

#include "file_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

char fixture_folder[] = "/tmp/test_file.XXXXXX";
char fixture_image[64];
char fixture_other[64];

int fixture_make_folder(void **state)
{
	(void)state;
	if (mkdtemp(fixture_folder) == NULL)
		return -1;
	snprintf(fixture_image, sizeof(fixture_image), "%s/image", fixture_folder);
	snprintf(fixture_other, sizeof(fixture_other), "%s/other", fixture_folder);
	return 0;
}

int fixture_remove_folder(void **state)
{
	(void)state;
	return rmdir(fixture_folder);
}

void fixture_fill(const char *path, size_t bytes)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	for (size_t i = 0; i < bytes; i++)
		putc('a' + (int)(i % 26), file);
	assert_int_equal(fclose(file), 0);
}

int fixture_start(void **state)
{
	(void)state;
	fixture_fill(fixture_image, 100);
	return 0;
}

int fixture_stop(void **state)
{
	(void)state;
	unlink(fixture_other);
	return unlink(fixture_image);
}

struct q2_storage *fixture_open(const char *path, unsigned flags)
{
	struct q2_storage *storage;
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	if (q2_file_open(&storage, path, flags, 0, NULL, &err) != QCOW2BM_OK)
		fail_msg("%s", err.sentence);
	return storage;
}

void fixture_refuse(const char *path, unsigned flags, enum qcow2bm_code code,
		    const char *words)
{
	struct q2_storage *storage;
	struct qcow2bm_error err = {.code = QCOW2BM_OK};
	assert_int_equal(q2_file_open(&storage, path, flags, 0, NULL, &err), code);
	assert_null(storage);
	assert_int_equal(err.code, code);
	if (strstr(err.sentence, words) == NULL)
		fail_msg("not \"%s\": %s", words, err.sentence);
}
