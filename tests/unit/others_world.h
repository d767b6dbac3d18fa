/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files of other programs that change together, for tests. Failures are cmocka's. */
#ifndef TESTS_UNIT_OTHERS_WORLD_H
#define TESTS_UNIT_OTHERS_WORLD_H

#include <sys/types.h>

#include "qcow2bm.h"

#define FILES 3

struct others_world {
	char folder[64], intent[128], paths[FILES][128], temporaries[FILES][128];
	struct qcow2bm_together_file files[FILES];
	struct qcow2bm_error err;
	size_t told;
	enum qcow2bm_resume_outcome outcome;
};

void others_put(const char *path, const char *text, mode_t mode);

/* NULL: it is not there. */
void others_holds(const char *path, const char *text);

/* One to be rewritten, one to go, one to come. */
void others_open(struct others_world *world);

void others_close(struct others_world *world);

enum qcow2bm_code others_commit(struct others_world *world);

void others_is_old(const struct others_world *world);

void others_is_new(const struct others_world *world);

mode_t others_mode(const char *path);

#endif
