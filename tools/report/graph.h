/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extents of the disk, drawn: rows of characters, each for a part of it. */
#ifndef TOOLS_REPORT_GRAPH_H
#define TOOLS_REPORT_GRAPH_H

#include "extents.h"

/* Draws which of the guest bytes [start, start+length) are dirty; returns an exit status. */
int tool_graph_print(const struct tool_extents_order *order, uint64_t start,
		     uint64_t length, const char *filename);

#endif
