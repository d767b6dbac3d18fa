/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layers that a command changes nothing of: what they hold is on stable storage before it says 0. */
#ifndef TOOLS_CMD_SETTLE_H
#define TOOLS_CMD_SETTLE_H

#include "disks.h"

/*
 * Brings all layers of the disks that nothing is staged on to stable storage: an edit that was killed
 * between its switch and the sync of that leaves nothing to do, and the new state in memory. Not in a dry
 * run. Prints what fails; returns an exit status.
 */
int tool_settle(const struct tool_disks *disks);

#endif
