/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was found wrong with the checkpoints of disks, and what to type. */
#ifndef TOOLS_REPORT_VERIFY_H
#define TOOLS_REPORT_VERIFY_H

#include "../term/text.h"

#include <jansson.h>
#include <qcow2bm.h>

/* One disk, and the findings about it that were asked for. */
struct tool_verify_report {
	const char *filename;
	struct qcow2bm_chain *chain;
	enum qcow2bm_scheme scheme;
	const char *
		options; /* of the command line, for commands about the same disk: "" or " --order A,B" */
	const struct qcow2bm_finding **findings;
	size_t count;
};

/* Whether anything is worse than a note. */
bool tool_verify_has_problems(const struct tool_verify_report *report);

void tool_verify_human(struct tool_text *text, const struct tool_verify_report *report);
json_t *tool_verify_json(const struct tool_verify_report *report);

/* ---- verify_cure.c ---- */

/* The command that helps against a finding, as a shell takes it, to be freed; NULL for none. */
char *tool_verify_cure(const struct tool_verify_report *report,
		       const struct qcow2bm_finding *finding);

#endif
