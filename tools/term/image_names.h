/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images that operands name: each itself, or, as @FILE, those that a list names. */
#ifndef TOOLS_TERM_IMAGE_NAMES_H
#define TOOLS_TERM_IMAGE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct tool_image_names {
	char **list;
	size_t count;
	bool is_several; /* more than one, or a list, whatever it has */
};

/*
 * Takes the operands. @FILE is a list of names, one a line, or, where there is a NUL byte in it, each ended
 * by one; empty ones are none. @- is standard input. What a list has is taken as it stands, and ./@FILE is
 * an image. Prints what fails, a list without a name included; returns an exit status. To be freed also
 * after a failure.
 */
int tool_image_names_take(struct tool_image_names *names, int count, char **operands);

void tool_image_names_free(struct tool_image_names *names);

#define TOOL_HELP_IMAGE_LIST                                                                \
	"IMAGE may be @FILE, a list of images, one a line; @- is standard input. ./@FILE\n" \
	"is an image of that name.\n"

#endif
