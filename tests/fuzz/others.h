/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* That an edit leaves alone what is not the bitmaps'. */
#ifndef TESTS_OTHERS_H
#define TESTS_OTHERS_H

#include "owners.h"

struct others {
	struct owners before;
	uint8_t *copy; /* of the whole image */
	uint64_t size;
	bool trusted; /* refcounts were: then what they have wrong may be lost */
	/* The header is written although an L1 or L2 entry may name its cluster, too, and a damaged
	 * length of the bitmaps extension hides what stands behind it. */
	bool is_repair;
};

void others_note(struct others *others, const uint8_t *image, uint64_t size,
		 bool trusted);

/* Fails when the image has changed where it must not; `success` is the edit's. */
void others_check(const struct others *others, const uint8_t *image, uint64_t size,
		  bool success);
void others_free(struct others *others);

#endif
