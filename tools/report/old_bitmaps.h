/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What check --carve found, for people and as JSON. */
#ifndef TOOLS_REPORT_OLD_BITMAPS_H
#define TOOLS_REPORT_OLD_BITMAPS_H

#include "../term/text.h"

#include <jansson.h>
#include <qcow2bm.h>

/* Carves; appends the findings to *text, or, where that is NULL, adds them to the object. */
enum qcow2bm_code tool_old_bitmaps_run(const char *filename, struct qcow2bm_image *image,
				       const struct qcow2bm_report *report,
				       struct tool_text *text, json_t *object,
				       struct qcow2bm_error *err);

#endif
