/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random operations on an edit and on its model. */
#ifndef TESTS_RANDOM_EDIT_H
#define TESTS_RANDOM_EDIT_H

#include "random_image.h"

struct random_edit {
	struct random *random;
	struct qcow2bm_edit *edit;
	struct model *staged;
	unsigned min_granularity_bits; /* of bitmaps that are added */
	/* Where bitmaps are merged from, beside the image itself. */
	struct model *other;
	struct qcow2bm_image *other_image;
};

struct random_edit_outcome {
	const char *what; /* the operation */
	enum qcow2bm_code expected, code;
	struct qcow2bm_error err;
};

/* Does one operation to both; some must fail. */
struct random_edit_outcome random_edit_stage(struct random_edit *edit);

#endif
