/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The JSON of commands that report image by image: one document, or a line for each. */
#ifndef TOOLS_REPORT_IMAGE_LIST_H
#define TOOLS_REPORT_IMAGE_LIST_H

#include "../term/message.h"
#include "../term/options.h"
#include "json.h"

struct tool_image_list {
	const char *name; /* of the format */
	bool has_lines; /* --output=jsonl: each image is a document of its own, in one line */
	bool has_failures; /* images that fail are among them */
	size_t count;      /* of those in it */
};

/* {"filename", "error": {"code", "errno", "offset", "sentence"}}: an image that cannot be reported, in any
 * list of them. */
json_t *tool_image_list_failure(const char *filename, const struct qcow2bm_error *err);

/* The same of one that was told: it may be about another file, which the sentence names then. */
json_t *tool_image_list_told(const char *filename, const struct tool_failure *failure);

/* The "error" of it alone. */
json_t *tool_image_list_error(const char *filename, const struct qcow2bm_error *err);

/* Of one image alone a failure is told by the exit status and a message. */
struct tool_image_list tool_image_list_begin(const char *name,
					     const struct tool_options *options,
					     bool is_several);

/* What stands before and behind an image; between them it is printed at that depth. */
void tool_image_list_open(struct tool_image_list *list, struct tool_text *text);
unsigned tool_image_list_depth(const struct tool_image_list *list);
void tool_image_list_close(const struct tool_image_list *list, struct tool_text *text);

/* Prints an image at once, and gives `value` back; signals that are put off, which they have to be, will print
 * the end of the document when they come. Returns an exit status. */
int tool_image_list_print(struct tool_image_list *list, json_t *value,
			  const struct tool_json_list *lists, size_t list_count);

/* What ends the document, to be printed once there is an image in it; "" where lines are whole. */
const char *tool_image_list_end(const struct tool_image_list *list);

/* Adds an image that cannot be reported, if such are wanted. One whose report a signal cut off is none of
 * them. */
void tool_image_list_fail(struct tool_image_list *list, struct tool_text *text,
			  const char *filename, const struct qcow2bm_error *err);

#endif
