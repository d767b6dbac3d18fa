/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan of an edit and the report of a commit, for a human and as JSON. */
#ifndef TOOLS_REPORT_SUMMARY_H
#define TOOLS_REPORT_SUMMARY_H

#include "../term/text.h"
#include "json.h"

/* The changes that a planned edit makes, one object each. */
json_t *tool_summary_changes(const struct qcow2bm_edit *edit, size_t changes);

/* The same as a list: copies, which a commit leaves as they are, to be printed and freed. */
struct tool_summary_kept {
	struct tool_summary_change *all;
	size_t count;
	struct tool_json_list list;
};
void tool_summary_keep(struct tool_summary_kept *kept, const struct qcow2bm_edit *edit,
		       size_t changes);
void tool_summary_drop(struct tool_summary_kept *kept);

/* Puts the list in the place of the changes of a report. */
void tool_summary_set_kept(json_t *report, struct tool_summary_kept *kept);

/* Takes `changes`. */
json_t *tool_summary_json(const char *filename, json_t *changes,
			  const struct qcow2bm_plan *plan);
void tool_summary_human(struct tool_text *text, const char *filename,
			const struct qcow2bm_edit *edit, const struct qcow2bm_plan *plan,
			uint64_t cluster_bytes);

/* Its last lines: how many clusters it writes and gives back. */
void tool_summary_clusters(struct tool_text *text, const struct qcow2bm_plan *plan,
			   uint64_t cluster_bytes);

/* What was done; takes `changes`. */
json_t *tool_summary_result(const char *filename, json_t *changes,
			    const struct qcow2bm_result *result);

#endif
