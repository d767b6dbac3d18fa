/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options that many commands have, and what all of them say about a wrong one. */
#ifndef TOOLS_TERM_OPTIONS_H
#define TOOLS_TERM_OPTIONS_H

#include "command.h"

#include <getopt.h>
#include <qcow2bm.h>
#include <stdbool.h>

/* Values of long options without a letter; a command's own begin at TOOL_OPT_OWN. */
enum {
	TOOL_OPT_OUTPUT = 256,
	TOOL_OPT_COLOR,
	TOOL_OPT_NO_LOCK,
	TOOL_OPT_WAIT,
	TOOL_OPT_PROGRESS,
	TOOL_OPT_THREADS,
	TOOL_OPT_TRUST_REFCOUNTS,
	TOOL_OPT_DISCARD,
	TOOL_OPT_NO_DISCARD,
	TOOL_OPT_SAVE,
	TOOL_OPT_CONTINUE, /* of commands on several images */
	TOOL_OPT_OWN
};

/* The letters of a command's option string: this first, then its own. */
#define TOOL_OPTIONS_READ_LETTERS ":hqU"
#define TOOL_OPTIONS_EDIT_LETTERS ":hqn"

#define TOOL_OPTIONS_COMMON                                                  \
	{"help", no_argument, NULL, 'h'}, {"quiet", no_argument, NULL, 'q'}, \
		{"output", required_argument, NULL, TOOL_OPT_OUTPUT},        \
		{"color", required_argument, NULL, TOOL_OPT_COLOR},          \
		{"no-lock", no_argument, NULL, TOOL_OPT_NO_LOCK},            \
	{                                                                    \
		"wait", required_argument, NULL, TOOL_OPT_WAIT               \
	}

#define TOOL_OPTIONS_READ                                             \
	TOOL_OPTIONS_COMMON, {"force-share", no_argument, NULL, 'U'}, \
	{                                                             \
		NULL, 0, NULL, 0                                      \
	}

#define TOOL_OPTIONS_EDIT                                                         \
	TOOL_OPTIONS_COMMON, {"dry-run", no_argument, NULL, 'n'},                 \
		{"save", required_argument, NULL, TOOL_OPT_SAVE},                 \
		{"progress", no_argument, NULL, TOOL_OPT_PROGRESS},               \
		{"trust-refcounts", no_argument, NULL, TOOL_OPT_TRUST_REFCOUNTS}, \
		{"discard", no_argument, NULL, TOOL_OPT_DISCARD},                 \
		{"no-discard", no_argument, NULL, TOOL_OPT_NO_DISCARD},           \
	{                                                                         \
		NULL, 0, NULL, 0                                                  \
	}

struct tool_options {
	const struct tool_command *command;
	bool json;
	bool takes_lines; /* the command knows --output=jsonl, */
	bool json_lines;  /* which is json, too */
	bool quiet;
	bool no_lock;
	bool force_share; /* reading */
	unsigned wait_seconds;
	unsigned
		threads; /* that read the guest's data; 0: as many as there are processors */
	bool dry_run;    /* the rest: editing */
	bool progress;
	unsigned commit_flags; /* QCOW2BM_COMMIT_... */
	const char *save;      /* the undo file to make, or NULL */
};

#define TOOL_OPTIONS_GO_ON (-1)

/* Takes what getopt_long() returned and the command does not know itself: a common option, --help
 * or a mistake. Returns TOOL_OPTIONS_GO_ON or the status to exit with. */
int tool_options_take(struct tool_options *options, int opt, char **argv);

#endif
