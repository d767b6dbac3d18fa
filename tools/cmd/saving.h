/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The undo file of an image that is about to be edited. */
#ifndef TOOLS_CMD_SAVING_H
#define TOOLS_CMD_SAVING_H

#include "../term/text.h"

#include <qcow2bm.h>
#include <stdbool.h>

/* What is zero has no undo file. */
struct tool_saving {
	struct qcow2bm_image *image;
	const char *filename; /* of the image */
	char *path;           /* of the undo file, or NULL */
};

/* The file beside `beside` that an undo file may be made as: NAME.undo, NAME.undo.2 and so on, the first
 * that is not there. NULL, after a message that is about the image `filename`, when there are too many. */
char *tool_saving_choose(const char *filename, const char *beside);

/*
 * From here on what the edit of the image writes over or frees goes to the undo file first: to `save`,
 * or, where that is a folder, to a new file in it that is named after the image. With `is_one` false,
 * where more images change, it has to be a folder. NULL: none is made. Prints what fails; returns an exit
 * status.
 */
int tool_saving_begin(struct tool_saving *saving, struct qcow2bm_image *image,
		      const char *filename, const char *save, bool is_one);

/* The edit is done: the undo file is told how the image stands. One that has nothing goes. */
void tool_saving_end(struct tool_saving *saving);

/* The edit came to nothing, and the image is as it was: so does the undo file. */
void tool_saving_drop(struct tool_saving *saving);

/* What to type to get back, without a newline. */
void tool_saving_add(struct tool_text *text, const struct tool_saving *saving);

void tool_saving_free(struct tool_saving *saving);

#endif
