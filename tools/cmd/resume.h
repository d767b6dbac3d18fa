/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit of several images that was cut off is finished, or taken back, and what became of it is told. */
#ifndef TOOLS_CMD_RESUME_H
#define TOOLS_CMD_RESUME_H

#include "../term/options.h"
#include "../term/text.h"
#include "../term/watch.h"

struct json_t;

/* What is zero but for the options and the name is not run yet. */
struct tool_resume {
	struct tool_options options;
	const char *filename; /* of the intent file */
	bool is_own;          /* it is obeyed without a word of the user */
	struct tool_watch watch;
	bool is_told;                        /* the library has come to its end */
	enum qcow2bm_resume_outcome outcome; /* then */
	uint64_t leaked_clusters;
	struct tool_text text;
	struct json_t *value;
};

/* Finishes or takes back. Prints what fails; returns an exit status. When it is done the report is due, or to
 * be forgotten. Signals stay put off. */
int tool_resume_run(struct tool_resume *resume);

/* Prints what became of it; returns an exit status. */
int tool_resume_report(struct tool_resume *resume);

/* Signals are let through again. */
void tool_resume_forget(struct tool_resume *resume);

#endif
