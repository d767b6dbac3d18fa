/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How states and severities are shown to people: their words, and their colours on a terminal. */
#ifndef TOOLS_REPORT_STATE_H
#define TOOLS_REPORT_STATE_H

#include "../term/colour.h"
#include "../term/table.h"

#include <qcow2bm.h>

/* "recording", "paused"; JSON has QEMU's older words, qcow2bm_state_name(). */
const char *tool_state_word(enum qcow2bm_state state);
enum tool_colour tool_state_colour(enum qcow2bm_state state);

/* Adds the word, coloured, as the next cell of the row. */
void tool_state_add_cell(struct tool_table *table, enum qcow2bm_state state);
void tool_state_add_severity(struct tool_table *table, enum qcow2bm_severity severity);

#endif
