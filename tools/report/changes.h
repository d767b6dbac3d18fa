/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an edit does to each bitmap, with the bytes of the disk that are dirty before and after. */
#ifndef TOOLS_REPORT_CHANGES_H
#define TOOLS_REPORT_CHANGES_H

#include "../term/text.h"
#include "json.h"

/* Copies, which a commit leaves as they are, to be printed and freed. */
struct tool_changes {
	struct tool_change *all;
	size_t count;
	struct tool_json_list list;
};

/*
 * Keeps the changes of an edit of `image` that has just been planned, and counts what is dirty; of bits
 * that cannot be read nothing is told, and that is no failure: the edit may not need them. Errors:
 * EINTERRUPTED, when the watch (NULL: none) says so. To be freed in any case.
 */
enum qcow2bm_code tool_changes_keep(struct tool_changes *kept, struct qcow2bm_edit *edit,
				    struct qcow2bm_image *image, size_t count,
				    const struct qcow2bm_watch *watch,
				    struct qcow2bm_error *err);
void tool_changes_free(struct tool_changes *kept);

/* An object for each. */
json_t *tool_changes_json(const struct tool_changes *kept);

/* The same as a list that is made while it is printed, as the changes of a report. */
void tool_changes_set_list(json_t *report, struct tool_changes *kept);

/* A line for each, for people. */
void tool_changes_human(struct tool_text *text, const struct tool_changes *kept);

#endif
