/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a recovered bitmap promises, and the conditions of it: the same to people and scripts. */
#ifndef TOOLS_REPORT_PROMISE_H
#define TOOLS_REPORT_PROMISE_H

#include "../term/text.h"
#include "json.h"

/* Takes the codes of conditions, with commas between them, into the set. False when one is none. */
bool tool_promise_take_conditions(unsigned *conditions, const char *codes);

/* "exact: its stored bits", and a line for each condition, and for what a better method wants.
 * Ends in a newline. */
void tool_promise_add(struct tool_text *text, const struct qcow2bm_promise *promise);

/* The same as members of an object. */
void tool_promise_json(json_t *object, const struct qcow2bm_promise *promise);

/* "--assume not-changed-by-qmp,not-resized", for these conditions. */
void tool_promise_add_assume(struct tool_text *text, unsigned conditions);

#endif
