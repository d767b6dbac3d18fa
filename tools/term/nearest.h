/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What somebody may have meant who typed a word that is none of those there are. */
#ifndef TOOLS_TERM_NEAREST_H
#define TOOLS_TERM_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/* Longer words are not compared. */
#define TOOL_NEAREST_BYTES 64

struct tool_nearest {
	const char *wanted;
	size_t wanted_bytes;
	char best[TOOL_NEAREST_BYTES + 1]; /* "": none is near */
	size_t distance;                   /* of the best */
};

void tool_nearest_begin(struct tool_nearest *nearest, const char *wanted,
			size_t wanted_bytes);

/* A word there is: becomes the best if fewer letters are missing, too many, wrong or swapped with
 * their neighbour than in the best so far, and at most a third of them, or if the one begins with the
 * other. The word itself was refused for another reason. */
void tool_nearest_try(struct tool_nearest *nearest, const char *word, size_t bytes);

#endif
