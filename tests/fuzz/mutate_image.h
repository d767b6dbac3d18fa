/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changing images as their format has it, so that inputs pass the first checks and reach the
 * code behind them. */
#ifndef TESTS_MUTATE_IMAGE_H
#define TESTS_MUTATE_IMAGE_H

#include "../support/random.h"

#include <stddef.h>
#include <stdint.h>

#define MUTATE_MAX_PLACES 64

/* Structures of an image, and fields that say where they are. */
struct mutate_places {
	uint64_t off[MUTATE_MAX_PLACES], bytes[MUTATE_MAX_PLACES]; /* a structure */
	uint64_t pointer[MUTATE_MAX_PLACES]; /* an 8-byte field with a cluster's offset */
	size_t count, pointers;
};

/* Changes one thing, or puts a new image in the place of the old one; then, mostly, makes what
 * a reader checks first right again. Returns the new size. */
size_t mutate_image(uint8_t *image, size_t size, size_t max_size, struct random *random);

/* ---- mutate_places.c ---- */

/* Follows what can be followed. */
void mutate_find_places(struct mutate_places *places, const uint8_t *image, size_t size);

/* ---- mutate_repair.c ---- */

void mutate_repair(uint8_t *image, size_t size, struct random *random);

#endif
