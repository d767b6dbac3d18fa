/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit of two images that was cut off between them: the first is new, the second old, and the intent
 * file is there. */
#ifndef TESTS_CUT_OFF_H
#define TESTS_CUT_OFF_H

#include "fault_storage.h"
#include "memory_storage.h"

#define CUT_OFF_IMAGES 2

struct cut_off {
	struct memory_file images[CUT_OFF_IMAGES], file;
	struct fault_plan fault;
};

/* Makes it of two images of edit_cases.h, and what is staged onto each; false: it could not be made. It
 * is to be freed. */
bool cut_off_make(struct cut_off *cut, const char *first, const char *second);
void cut_off_free(struct cut_off *cut);

#endif
