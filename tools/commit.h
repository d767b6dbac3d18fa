/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of every editing command: print the plan, or commit and report. */
#ifndef TOOL_COMMIT_H
#define TOOL_COMMIT_H

#include "session.h"

/* Prints the plan when --dry-run is given, else commits; returns the exit status. */
int tool_commit_run(struct tool_session *edit);

#endif
