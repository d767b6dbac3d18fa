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
};

/* Puts signals off, and begins to show progress as the options say. */
void tool_watch_begin(struct tool_watch *watch, const struct tool_options *options);

/* Ends the line of progress. Signals stay put off. Returns the number of the one that came, or 0. */
int tool_watch_end(struct tool_watch *watch);

/* The same for work that changes nothing: unless a signal came, they are let through again. */
int tool_watch_leave(struct tool_watch *watch);

#endif
