/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals that may end the program are put off while an image is edited, and lose no report that
 * is finished. */
#ifndef TOOLS_TERM_SIGNALS_H
#define TOOLS_TERM_SIGNALS_H

#include <signal.h>
#include <stddef.h>
#include <sys/types.h>

struct tool_signals {
	/* SIGINT, SIGTERM, SIGHUP, less those that the caller had ignored. */
	sigset_t watched;
};

/* To the end of the program: its exit status tells which state the image has, and that of a
 * signal that came after the switch would tell the wrong one. */
void tool_signals_block(struct tool_signals *signals);

/* In a child, before another program runs in it: what the first block() found blocked, and no more. */
void tool_signals_restore(void);

/* Waits for the end of a child while these are blocked and SIGCHLD is not ignored. A watched signal that comes
 * meanwhile ends the child by SIGTERM, and is not pending any more. The number of that signal goes to
 * `number`, 0 without one; returns as waitpid(). */
pid_t tool_signals_wait(const struct tool_signals *signals, pid_t child, int *status,
			int *number);

/* For work that changes nothing, and whose report ends the program when a signal is pending. */
void tool_signals_unblock(const struct tool_signals *signals);

/* What a watched signal that comes while they are not blocked writes to standard output before it
 * ends the program with 128+n. The bytes stay as they are until this is called again. */
void tool_signals_leave(const char *bytes, size_t count);

/* The number of a watched signal that came, or 0. */
int tool_signals_pending(const struct tool_signals *signals);

#endif
