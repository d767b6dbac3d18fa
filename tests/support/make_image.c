/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * make_image: builds a broken or special qcow2 image from a text recipe.
 *
 * Usage: make_image RECIPE IMAGE [DIRECTORY]
 *
 * The language of recipes is described in tests/hostile/README. `base FILE` looks for
 * FILE in DIRECTORY (images/unpack fills one). It shares no code with the library: a
 * mistake there must not hide itself here.
 */
#define _POSIX_C_SOURCE 200809L
#include "make_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_WORDS 16
#define MAX_IMAGE_BYTES (1ull << 30)
#define HOLE_BYTES 4096

static const char *recipe_name;
static unsigned recipe_line;

noreturn void recipe_fail(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%u: ", recipe_name, recipe_line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/* The list keeps the memory in sight of leak checkers. */
void *recipe_alloc(size_t bytes)
{
	static struct block {
		struct block *next;
		max_align_t memory[];
	} * blocks;
	struct block *block = calloc(1, sizeof(*block) + bytes);

	if (!block)
		recipe_fail("out of memory");
	block->next = blocks;
	blocks = block;
	return block->memory;
}

static unsigned hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *found = c ? strchr(digits, c) : NULL;

	if (!found)
		recipe_fail("\\x wants two digits of 0-9a-f");
	return (unsigned)(found - digits);
}

struct text recipe_text(const char *word)
{
	const char *star = strchr(word, '*');
	size_t length = star ? (size_t)(star - word) : strlen(word);
	uint64_t count = star ? place_find(NULL, star + 1) : 1;
	struct text text = {NULL, 0};

	if (count > MAX_IMAGE_BYTES / (length + 1))
		recipe_fail("text too long: %s", word);
	text.bytes = recipe_alloc(length * (count + 1));
	for (size_t i = 0; i < length; i++) {
		uint8_t byte = (uint8_t)word[i];

		if (word[i] == '\\' && word[i + 1] == 'x') {
			unsigned high = hex_digit(word[i + 2]);

			byte = (uint8_t)(high << 4 | hex_digit(word[i + 3]));
			i += 3;
		}
		text.bytes[text.size++] = byte;
	}
	length = text.size;
	for (text.size = 0; text.size < length * count; text.size += length)
		memmove(text.bytes + text.size, text.bytes, length);
	return text;
}

void image_resize(struct image *image, uint64_t size)
{
	if (size > MAX_IMAGE_BYTES)
		recipe_fail("image would be longer than 1 GiB");
	if (size > image->room || !image->bytes) {
		uint64_t room = size > 2 * image->room ? size : 2 * image->room;
		uint8_t *bytes = realloc(image->bytes, room ? (size_t)room : 1);

		if (!bytes)
			recipe_fail("out of memory");
		image->bytes = bytes;
		image->room = room;
	}
	if (size > image->size)
		memset(image->bytes + image->size, 0, (size_t)(size - image->size));
	image->size = size;
}

/* The memory of [off, off+bytes) of the image. */
static uint8_t *inside(const struct image *image, uint64_t off, uint64_t bytes)
{
	if (off > image->size || bytes > image->size - off)
		recipe_fail("%llu bytes at %#llx lie outside the image",
			    (unsigned long long)bytes, (unsigned long long)off);
	return image->bytes + off;
}

uint64_t image_load(const struct image *image, uint64_t off, unsigned bytes)
{
	const uint8_t *at = inside(image, off, bytes);
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

void image_store(struct image *image, uint64_t off, unsigned bytes, uint64_t value)
{
	uint8_t *at = inside(image, off, bytes);

	if (bytes < 8 && value >> (8 * bytes))
		recipe_fail("%#llx needs more than %u bytes", (unsigned long long)value,
			    bytes);
	for (unsigned i = bytes; i-- > 0; value >>= 8)
		at[i] = (uint8_t)value;
}

static void read_base(struct image *image, const char *directory, const char *name)
{
	size_t path_bytes;
	char *path;
	FILE *file;

	if (!directory)
		recipe_fail("base: name a directory on the command line");
	path_bytes = strlen(directory) + strlen(name) + 2;
	path = recipe_alloc(path_bytes);
	snprintf(path, path_bytes, "%s/%s", directory, name);
	file = fopen(path, "rb");
	if (!file || fseeko(file, 0, SEEK_END) != 0)
		recipe_fail("%s: %s", path, strerror(errno));
	image_resize(image, (uint64_t)ftello(file));
	rewind(file);
	if (fread(image->bytes, 1, (size_t)image->size, file) != image->size)
		recipe_fail("%s: %s", path, strerror(errno));
	fclose(file);
}

/* Leaves holes where the image is zero. */
static void write_image(const struct image *image, const char *name)
{
	static const uint8_t zeros[HOLE_BYTES];
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	uint64_t end = image->hole_end > image->size ? image->hole_end : image->size;

	if (fd < 0 || ftruncate(fd, (off_t)end) != 0)
		recipe_fail("%s: %s", name, strerror(errno));
	for (uint64_t off = 0; off < image->size; off += HOLE_BYTES) {
		uint64_t left = image->size - off;
		size_t bytes = left < HOLE_BYTES ? (size_t)left : HOLE_BYTES;

		if (memcmp(image->bytes + off, zeros, bytes) == 0)
			continue;
		if (pwrite(fd, image->bytes + off, bytes, (off_t)off) != (ssize_t)bytes)
			recipe_fail("%s: %s", name, strerror(errno));
	}
	if (close(fd) != 0)
		recipe_fail("%s: %s", name, strerror(errno));
}

static unsigned width(const char *word)
{
	static const struct {
		const char *name;
		unsigned bytes;
	} widths[] = {{"u8", 1}, {"be16", 2}, {"be32", 4}, {"be64", 8}};

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		if (strcmp(word, widths[i].name) == 0)
			return widths[i].bytes;
	}
	recipe_fail("not u8, be16, be32 or be64: %s", word);
}

static void set_number(struct image *image, char **word)
{
	uint64_t off = place_find(image, word[1]);

	image_store(image, off, width(word[2]), place_find(image, word[3]));
}

/* PLACE WIDTH COUNT STRIDE FIRST STEP: numbers at a distance, each so much more. */
static void set_series(struct image *image, char **word)
{
	uint64_t off = place_find(image, word[1]);
	unsigned bytes = width(word[2]);
	uint64_t count = place_find(image, word[3]);
	uint64_t stride = place_find(image, word[4]);
	uint64_t value = place_find(image, word[5]);
	uint64_t step = place_find(image, word[6]);

	for (uint64_t i = 0; i < count; i++)
		image_store(image, off + i * stride, bytes, value + i * step);
}

static void fill(struct image *image, char **word)
{
	uint64_t off = place_find(image, word[1]);
	uint64_t bytes = place_find(image, word[2]);
	uint64_t value = place_find(image, word[3]);

	if (value > 0xff)
		recipe_fail("not a byte: %s", word[3]);
	memset(inside(image, off, bytes), (int)value, (size_t)bytes);
}

/* What is longer than may be in memory ends in a hole. */
static void cut(struct image *image, uint64_t bytes)
{
	image->hole_end = bytes > MAX_IMAGE_BYTES ? bytes : 0;
	if (image->hole_end == 0)
		image_resize(image, bytes);
}

static void edit(struct image *image, unsigned words, char **word)
{
	if (strcmp(word[0], "set") == 0 && words == 4) {
		set_number(image, word);
	} else if (strcmp(word[0], "series") == 0 && words == 7) {
		set_series(image, word);
	} else if (strcmp(word[0], "fill") == 0 && words == 4) {
		fill(image, word);
	} else if (strcmp(word[0], "bytes") == 0 && words == 3) {
		struct text text = recipe_text(word[2]);

		memcpy(inside(image, place_find(image, word[1]), text.size), text.bytes,
		       text.size);
	} else if (strcmp(word[0], "copy") == 0 && words == 4) {
		uint64_t bytes = place_find(image, word[3]);
		const uint8_t *from = inside(image, place_find(image, word[2]), bytes);

		memmove(inside(image, place_find(image, word[1]), bytes), from,
			(size_t)bytes);
	} else if (strcmp(word[0], "truncate") == 0 && words == 2) {
		cut(image, place_find(image, word[1]));
	} else {
		recipe_fail("not understood: %s, with %u words behind it", word[0],
			    words - 1);
	}
}

static unsigned split(char *line, char **word)
{
	unsigned words = 0;

	for (char *at = strtok(line, " \t\n"); at; at = strtok(NULL, " \t\n")) {
		if (words == MAX_WORDS)
			recipe_fail("more than %d words", MAX_WORDS);
		word[words++] = at;
	}
	return words;
}

static void follow(FILE *recipe, struct image *image, const char *directory)
{
	struct layout *layout = NULL;
	char *line = NULL, *word[MAX_WORDS];
	size_t room = 0;
	bool begun = false;

	while (recipe_line++, getline(&line, &room, recipe) >= 0) {
		unsigned words = line[0] == '#' ? 0 : split(line, word);

		if (words == 0)
			continue;
		if (!begun && strcmp(word[0], "empty") == 0) {
			layout = layout_begin(words, word);
		} else if (!begun && strcmp(word[0], "base") == 0 && words == 2) {
			read_base(image, directory, word[1]);
		} else if (!begun) {
			recipe_fail("a recipe begins with base FILE or empty SIZE");
		} else if (!layout || !layout_add_line(layout, words, word)) {
			if (layout)
				layout_build(layout, image);
			layout = NULL;
			edit(image, words, word);
		}
		begun = true;
	}
	if (ferror(recipe) || !begun)
		recipe_fail("cannot be read, or says nothing");
	if (layout)
		layout_build(layout, image);
	free(line);
}

int main(int argc, char **argv)
{
	struct image image = {0};
	FILE *recipe;

	if (argc != 3 && argc != 4) {
		fputs("usage: make_image RECIPE IMAGE [DIRECTORY]\n", stderr);
		return 64;
	}
	recipe_name = argv[1];
	recipe = fopen(argv[1], "r");
	if (!recipe)
		recipe_fail("%s", strerror(errno));
	follow(recipe, &image, argc == 4 ? argv[3] : NULL);
	fclose(recipe);
	write_image(&image, argv[2]);
	free(image.bytes);
	return EXIT_SUCCESS;
}
