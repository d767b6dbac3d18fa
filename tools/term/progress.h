/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A line on standard error that says how far the work is. */
#ifndef TOOLS_TERM_PROGRESS_H
#define TOOLS_TERM_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct tool_progress {
	bool wanted;    /* show it from the start */
	bool automatic; /* show it when the work takes more than a second */
	bool shown;
	int64_t begun_ms; /* monotonic clock */
	int64_t last_ms;
	int last_permille; /* what the line says; -1: nothing */
};

/* `asked`: --progress; `quiet`: -q. Otherwise it is shown by itself on a terminal. */
void tool_progress_begin(struct tool_progress *progress, bool asked, bool quiet);
void tool_progress_update(struct tool_progress *progress, uint64_t done, uint64_t total);

/* Ends the line that was shown. */
void tool_progress_end(struct tool_progress *progress);

#endif
