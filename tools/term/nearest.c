/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What somebody may have meant who typed a word that is none of those there are. */
#include "nearest.h"

#include <stdint.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Damerau and Levenshtein's distance, for neighbours that are swapped once (optimal string
 * alignment): row i has the distances of the first i bytes of `a` to all beginnings of `b`. */
static size_t distance_of(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
	size_t rows[3][TOOL_NEAREST_BYTES + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];
	for (size_t j = 0; j <= b_bytes; j++)
		row[j] = before[j] = j;
	for (size_t i = 1; i <= a_bytes; i++) {
		size_t *free_row = before;
		before = above;
		above = row;
		row = free_row;
		row[0] = i;
		for (size_t j = 1; j <= b_bytes; j++) {
			row[j] = least(least(above[j], row[j - 1]) + 1,
				       above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
	}
	return row[b_bytes];
}

void tool_nearest_begin(struct tool_nearest *nearest, const char *wanted,
			size_t wanted_bytes)
{
	*nearest = (struct tool_nearest){
		.wanted = wanted, .wanted_bytes = wanted_bytes, .distance = SIZE_MAX};
}

void tool_nearest_try(struct tool_nearest *nearest, const char *word, size_t bytes)
{
	size_t wanted = nearest->wanted_bytes, shorter = least(wanted, bytes);
	if (wanted > TOOL_NEAREST_BYTES || bytes > TOOL_NEAREST_BYTES || shorter == 0)
		return;
	bool begins = shorter >= 3 && memcmp(word, nearest->wanted, shorter) == 0;
	size_t longer = wanted + bytes - shorter;
	if (!begins && longer - shorter > (wanted + 2) / 3)
		return;
	size_t distance = distance_of(nearest->wanted, wanted, word, bytes);
	if (distance == 0 || distance >= nearest->distance ||
	    (!begins && distance > (wanted + 2) / 3))
		return;
	nearest->distance = distance;
	memcpy(nearest->best, word, bytes);
	nearest->best[bytes] = '\0';
}
