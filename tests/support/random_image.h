/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A random image in memory, and the model of its bitmaps. */
#ifndef TESTS_RANDOM_IMAGE_H
#define TESTS_RANDOM_IMAGE_H

#include "model.h"

struct random_image {
	struct memory_file file;
	struct model model;
	unsigned cluster_bits;
	unsigned
		min_granularity_bits; /* finer ones would have too many bits to test fast */
	bool is_device;               /* it cannot grow */
	bool is_roomy; /* the header cluster has room for whatever an edit does */
};

/* The names that bitmaps of random images have: RANDOM_NAMES of them. */
#define RANDOM_NAMES 9
const char *random_name(uint64_t idx, size_t *name_bytes);

/* virtual_bytes 0: any size. */
void random_image_make(struct random_image *image, struct random *random,
		       uint64_t virtual_bytes);
void random_image_free(struct random_image *image);

#endif
