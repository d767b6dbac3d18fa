/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files for the tests of files, in a folder that goes away with them. */
#ifndef TESTS_FILE_FIXTURE_H
#define TESTS_FILE_FIXTURE_H

#include "storage/storage.h"

extern char fixture_folder[];
extern char fixture_image[64]; /* 100 bytes, a to z over and over */
extern char fixture_other[64]; /* whatever else a test needs: not there */

/* Before the first test and after the last one, before each and after each. */
int fixture_make_folder(void **state);
int fixture_remove_folder(void **state);
int fixture_start(void **state);
int fixture_stop(void **state);

void fixture_fill(const char *path, size_t bytes);

/* Opens it, or fails the test. */
struct q2_storage *fixture_open(const char *path, unsigned flags);

/* It must not open, for that reason, with a sentence that has these words. */
void fixture_refuse(const char *path, unsigned flags, enum qcow2bm_code code,
		    const char *words);

#endif
