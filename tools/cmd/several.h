/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An editing command on the images that are named: one, or several, all or none of them, or each for itself. */
#ifndef TOOLS_CMD_SEVERAL_H
#define TOOLS_CMD_SEVERAL_H

#include "../term/image_names.h"
#include "session.h"

struct tool_several {
	struct tool_options options;
	/* What the command does to the image of a session; prints what fails; returns an exit status. */
	int (*stage)(void *opaque, struct tool_session *session);
	/* NULL: tool_session_open(). */
	int (*open)(void *opaque, struct tool_session *session, const char *filename);
	/* Of an image alone; NULL: tool_finish_run(). */
	int (*finish)(void *opaque, struct tool_session *session);
	/* Before an image is closed, whatever became of it; of those that are edited together before the first
	 * is, with NULL. Passes `status` on, or a worse one. May be NULL. */
	int (*end)(void *opaque, struct tool_session *session, int status);
	void *opaque;
	const char *only_one;     /* why several are refused, or NULL */
	const char *not_together; /* why without --continue they are, or NULL */
	char **images;            /* of --image, as they were typed */
	int image_count;
	bool continues; /* --continue: each image is an edit of its own */
	char **sources; /* files that stage() opens for reading; of several images none of these */
	size_t source_count;
};

#define TOOL_SEVERAL_LETTERS "i:"
#define TOOL_SEVERAL_OPTIONS                                     \
	{"image", required_argument, NULL, 'i'},                 \
	{                                                        \
		"continue", no_argument, NULL, TOOL_OPT_CONTINUE \
	}

#define TOOL_HELP_SEVERAL_FORMATS "human (default), json, or jsonl with --continue"

/* With those of every edit. */
#define TOOL_HELP_SEVERAL                                                                                      \
	"  -i, --image IMAGE      instead of the operand; repeatable: all of these images or\n"                \
	"                         none; @FILE is a list of images, one a line\n"                               \
	"      --continue         each of them for itself instead: one that fails does not\n"                  \
	"                         stop the others, and the exit status is the worst\n" TOOL_HELP_EDIT_FORMATS( \
		TOOL_HELP_SEVERAL_FORMATS)

/* One more image, as it was typed: @FILE is a list. */
void tool_several_add(struct tool_several *several, char *image);

/* Takes what getopt_long() returned; as tool_options_take(). */
int tool_several_take(struct tool_several *several, int opt, char **argv);

/* How many of the operands are the image: 1, or 0 when --image was given. */
int tool_several_operands(const struct tool_several *several);

/* Opens the images, those of --image or the one of the operand, stages on each, then plans or commits and
 * reports; or does so with one image after the other. Returns an exit status. */
int tool_several_run(struct tool_several *several, char **operands);

#endif
