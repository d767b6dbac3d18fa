/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan of an edit and the report of a commit, for a human and as JSON. */
#ifndef TOOLS_REPORT_SUMMARY_H
#define TOOLS_REPORT_SUMMARY_H

#include "../term/text.h"
#include "changes.h"

/* Takes `changes`. */
json_t *tool_summary_json(const char *filename, json_t *changes,
			  const struct qcow2bm_plan *plan);
void tool_summary_human(struct tool_text *text, const char *filename,
			const struct tool_changes *changes,
			const struct qcow2bm_plan *plan, uint64_t cluster_bytes);

/* Its last lines: how many clusters it writes and gives back. */
void tool_summary_clusters(struct tool_text *text, const struct qcow2bm_plan *plan,
			   uint64_t cluster_bytes);

/* What was done; takes `changes`. */
json_t *tool_summary_result(const char *filename, json_t *changes,
			    const struct qcow2bm_result *result);

#endif
