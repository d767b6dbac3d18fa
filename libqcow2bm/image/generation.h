/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From one commit of an image to the next, or until it is closed, is a generation. What an edit, a
 * source or a report knows of the image holds for the generation that it was made in; each keeps a
 * reference, so that it can tell although the image is gone.
 */
#ifndef Q2_IMAGE_GENERATION_H
#define Q2_IMAGE_GENERATION_H

#include "../qcow2bm.h"

enum q2_generation_state {
	Q2_GENERATION_CURRENT,
	Q2_GENERATION_COMMITTED, /* the image is another one now */
	Q2_GENERATION_CLOSED
};

struct q2_generation {
	size_t references;
	enum q2_generation_state state;
};

/* A reference to the image's current generation. Errors: ENOMEM. */
enum qcow2bm_code q2_generation_take(struct qcow2bm_image *image,
				     struct q2_generation **generation,
				     struct qcow2bm_error *err);

/* Gives a reference back. NULL is allowed. */
void q2_generation_drop(struct q2_generation *generation);

/* The image's current generation is over. */
void q2_generation_end(struct qcow2bm_image *image, enum q2_generation_state state);

/* Whether the generation is still the current one. `what` is what was made in it: "the edit was
 * staged". Errors: EINVAL. */
enum qcow2bm_code q2_generation_check(const struct q2_generation *generation,
				      const char *what, struct qcow2bm_error *err);

#endif
