/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What check --carve found, for people and as JSON. */
#ifndef TOOLS_REPORT_OLD_BITMAPS_H
#define TOOLS_REPORT_OLD_BITMAPS_H

#include "json.h"

/* What was found, for JSON; zeroed before the first use. */
struct tool_old_bitmaps {
	struct qcow2bm_carved *all; /* their names are owned */
	size_t count, room;
	struct tool_json_list list; /* to be printed with the object */
};

void tool_old_bitmaps_free(struct tool_old_bitmaps *found);

/* Carves; appends the findings to *text, or, where that is NULL, adds them to the object, and keeps
 * them in *found until that is printed. */
enum qcow2bm_code tool_old_bitmaps_run(const char *filename, struct qcow2bm_image *image,
				       const struct qcow2bm_report *report,
				       struct tool_text *text, json_t *object,
				       struct tool_old_bitmaps *found,
				       const struct qcow2bm_watch *watch,
				       struct qcow2bm_error *err);

#endif
