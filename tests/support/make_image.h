/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of make_image share: the image in memory and the words of a recipe. */
#ifndef MAKE_IMAGE_H
#define MAKE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

struct image {
	uint8_t *bytes;
	uint64_t size;
	uint64_t room;     /* of the memory */
	uint64_t hole_end; /* not 0: the file is so long, by a hole behind these bytes */
};

/* A word of a recipe with its escapes resolved. */
struct text {
	uint8_t *bytes;
	size_t size;
};

/* Says which line of the recipe is wrong and why, and ends the program with status 1. */
noreturn void recipe_fail(const char *format, ...);

/* Zeroed memory that lasts until the program ends. */
void *recipe_alloc(size_t bytes);

/* Resolves \xHH and TEXT*COUNT; the result lives until the program ends. */
struct text recipe_text(const char *word);

/* Makes the image `size` bytes long; what is new is zero. */
void image_resize(struct image *image, uint64_t size);

/* Big-endian numbers of 1 to 8 bytes. Outside the image: recipe_fail(). */
uint64_t image_load(const struct image *image, uint64_t off, unsigned bytes);
void image_store(struct image *image, uint64_t off, unsigned bytes, uint64_t value);

/*
 * The value of an expression of numbers and places (grammar: tests/hostile/README).
 * Places are found by following the structures of the image as it is now; without one
 * (`image` NULL) numbers only.
 */
uint64_t place_find(const struct image *image, const char *expression);

/* The lines that describe an image to be built from nothing. */
struct layout;
struct layout *layout_begin(unsigned words, char **word);

/* Takes a line of words; false when its first word is not one of the layout's. */
bool layout_add_line(struct layout *layout, unsigned words, char **word);

void layout_build(const struct layout *layout, struct image *image);

#endif
