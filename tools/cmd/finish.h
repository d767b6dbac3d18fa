/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of every editing command: print the plan, or commit and report. */
#ifndef TOOLS_CMD_FINISH_H
#define TOOLS_CMD_FINISH_H

#include "session.h"

/* Prints the plan when --dry-run is given, else commits; returns the exit status. */
int tool_finish_run(struct tool_session *session);

#endif
