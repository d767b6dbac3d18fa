/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of every command that edits several images, all or none of them. */
#ifndef TOOLS_CMD_TOGETHER_H
#define TOOLS_CMD_TOGETHER_H

#include "../term/options.h"
#include "saving.h"

struct json_t;

/* What is zero but for the options has no edits yet. */
struct tool_together {
	const struct tool_options *options;
	struct json_t
		*disks; /* what the JSON tells of disks besides the images, or NULL */
	bool has_own_report; /* the command tells itself what was done, where nothing fails */
	struct qcow2bm_together_edit *list;
	const struct qcow2bm_result **results;
	struct qcow2bm_image **images;
	struct tool_saving *savings;
	size_t count;
	/* Files of other programs that change with the images, and where the intent file is without an
	 * image. */
	const struct qcow2bm_together_file *files;
	size_t file_count;
	const char *intent_path;
	bool goes_on; /* the command has another edit to do behind this one */
	/* Of the end: */
	struct qcow2bm_error err; /* why it was not done */
	const char *failed;       /* the image that is to blame, or NULL */
};

/* Adds the edit of one more image. */
void tool_together_add(struct tool_together *together, struct qcow2bm_edit *edit,
		       struct qcow2bm_image *image, const char *filename);

/* Prints the plans when --dry-run is given, else commits and reports; returns an exit status. */
int tool_together_finish(struct tool_together *together);

void tool_together_free(struct tool_together *together);

#endif
