/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Long work of the library: its progress is shown, and a signal stops it where that is safe. */
#ifndef TOOLS_TERM_WATCH_H
#define TOOLS_TERM_WATCH_H

#include "options.h"
#include "progress.h"
#include "signals.h"

struct tool_watch {
	struct qcow2bm_watch watch; /* for the library */
	struct tool_signals signals;
	struct tool_progress progress;
	uint64_t part, parts; /* of the work; parts 0: the library knows of all of it */
};

/* Puts signals off, and begins to show progress as the options say. */
void tool_watch_begin(struct tool_watch *watch, const struct tool_options *options);

/* The same for the next step of work whose line of progress is `before`, if one was begun: it goes on. */
void tool_watch_continue(struct tool_watch *watch, const struct tool_options *options,
			 const struct tool_progress *before);

/* Now comes number `part` of so many parts of the work, which take about as long as each other. */
void tool_watch_part(struct tool_watch *watch, uint64_t part, uint64_t parts);

/* Ends the line of progress. Signals stay put off. Returns the number of the one that came, or 0. */
int tool_watch_end(struct tool_watch *watch);

/* The same for work that changes nothing: unless a signal came, they are let through again. */
int tool_watch_leave(struct tool_watch *watch);

/* The exit status of a command that only reads, where a signal came or the work ended with this code;
 * prints the sentence of a failure. */
int tool_watch_status(const char *filename, enum qcow2bm_code code, int signal_number,
		      const struct qcow2bm_error *err);

#endif
