/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a repair does to one image, told to people and scripts. */
#ifndef TOOLS_CMD_REPAIR_MENDED_H
#define TOOLS_CMD_REPAIR_MENDED_H

#include "../report/json.h"
#include "../term/text.h"
#include "session.h"

struct tool_mended {
	const struct tool_session *session;
	const struct qcow2bm_report *report;
	unsigned flags;        /* QCOW2BM_REPAIR_... */
	struct tool_text done; /* a line for each thing that is done, or left */
	size_t *problems;      /* those in the JSON */
};

/* Tells what the staged repair does by its plan; false when that is nothing. */
bool tool_mended_describe(struct tool_mended *mended, const struct qcow2bm_plan *plan);

/* How to get back, and what room that takes meanwhile. */
void tool_mended_describe_undo(struct tool_mended *mended);

/* The problems that the repair settles, to the JSON report. */
void tool_mended_add_json(struct tool_mended *mended, json_t *report,
			  struct tool_json_list *list);

void tool_mended_free(struct tool_mended *mended);

#endif
