/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an edit made of a broken image, in the eyes of the strict reader: never worse. */
#include "../support/strict_reader.h"
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether the command line names the bitmap, in the form that the program shows. */
static bool is_named(char *const *words, const struct strict_bitmap *bitmap)
{
	char *shown = malloc(bitmap->name_bytes * 4 + 1), *at = shown;
	bool named = false;
	if (shown == NULL)
		abort();
	for (size_t i = 0; i < bitmap->name_bytes; i++) {
		uint8_t byte = bitmap->name[i];
		if (byte > ' ' && byte < 0x7f && byte != '\\')
			*at++ = (char)byte;
		else
			at += sprintf(at, "\\x%02x", byte);
	}
	*at = '\0';
	for (size_t i = 0; words[i] != NULL; i++)
		named |= strcmp(words[i], shown) == 0 || strstr(words[i], "-all") != NULL;
	free(shown);
	return named;
}

static bool is_same_bitmap(const struct strict_bitmap *a, const struct strict_bitmap *b)
{
	const struct strict_image one = {.bitmaps = (void *)a, .bitmap_count = 1};
	const struct strict_image other = {.bitmaps = (void *)b, .bitmap_count = 1};
	return strict_same_bitmaps(&one, &other);
}

/* Every bitmap that can be read and that no word names must be there as it was. */
static bool others_are_kept(const struct strict_image *before,
			    const struct strict_image *after, char *const *words)
{
	for (size_t i = 0, j = 0; i < before->bitmap_count; i++) {
		const struct strict_bitmap *bitmap = &before->bitmaps[i];
		bool found = bitmap->bits == NULL || is_named(words, bitmap);
		for (size_t k = j; !found && k < after->bitmap_count; k++)
			if ((found = is_same_bitmap(bitmap, &after->bitmaps[k])))
				j = k + 1;
		if (!found) {
			fprintf(stderr, "bitmap %zu, which no word names, has changed\n",
				i);
			return false;
		}
	}
	return true;
}

static bool is_no_worse(const struct strict_image *before,
			const struct strict_image *after, char *const *words, int status)
{
	if (after->guest_sum != before->guest_sum) {
		fprintf(stderr, "the guest's data or mapping have changed\n");
		return false;
	}
	if (after->header_sum != before->header_sum) {
		fprintf(stderr, "what is not the bitmaps' in the header has changed\n");
		return false;
	}
	if (after->problems > before->problems) {
		fprintf(stderr, "%zu problems, before %zu: %s\n", after->problems,
			before->problems, after->problem);
		return false;
	}
	/* A repair may leave to qemu-img check what a bitmap and the guest both had counted. */
	if (status != 5 && words != NULL && after->leaks > before->leaks) {
		fprintf(stderr, "%llu clusters leaked, before %llu\n",
			(unsigned long long)after->leaks,
			(unsigned long long)before->leaks);
		return false;
	}
	return words == NULL || others_are_kept(before, after, words);
}

/* In a process of its own: the strict reader aborts where it is out of memory. */
bool judge_edit(const char *before, const char *after, char *const *words, int status)
{
	int judged;
	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		hostile_stop("fork", before);
	if (child == 0) {
		struct mapped old, new;
		struct strict_image was, is;
		mapped_open(&old, before);
		mapped_open(&new, after);
		(void)strict_read(&was, old.bytes, old.size);
		(void)strict_read(&is, new.bytes, new.size);
		bool fine = is_no_worse(&was, &is, words, status);
		fflush(NULL);
		_exit(fine ? 0 : 1);
	}
	if (waitpid(child, &judged, 0) < 0)
		hostile_stop("wait", before);
	return judged == 0;
}
