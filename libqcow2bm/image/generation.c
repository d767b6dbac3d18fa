/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Telling whether what is known of an image is still true. */
#include "generation.h"

#include <stdlib.h>

#include "../base/error.h"
#include "image.h"

enum qcow2bm_code q2_generation_take(struct qcow2bm_image *image,
				     struct q2_generation **generation,
				     struct qcow2bm_error *err)
{
	if (image->generation == NULL) {
		image->generation = calloc(1, sizeof(*image->generation));
		if (image->generation == NULL)
			return q2_fail_memory(err, "an edit");
		image->generation->references = 1; /* the image's own */
	}
	image->generation->references++;
	*generation = image->generation;
	return QCOW2BM_OK;
}

void q2_generation_drop(struct q2_generation *generation)
{
	if (generation != NULL && --generation->references == 0)
		free(generation);
}

void q2_generation_end(struct qcow2bm_image *image, enum q2_generation_state state)
{
	if (image->generation != NULL)
		image->generation->state = state;
	q2_generation_drop(image->generation);
	image->generation = NULL;
}

enum qcow2bm_code q2_generation_check(const struct q2_generation *generation,
				      const char *what, struct qcow2bm_error *err)
{
	if (generation == NULL || generation->state == Q2_GENERATION_COMMITTED)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "%s before the last commit of the image", what);
	if (generation->state == Q2_GENERATION_CLOSED)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "%s of an image that is closed", what);
	return QCOW2BM_OK;
}
