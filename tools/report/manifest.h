/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an older state of a disk, a manifest above all, tells of itself. */
#ifndef TOOLS_REPORT_MANIFEST_H
#define TOOLS_REPORT_MANIFEST_H

#include "../term/text.h"

#include <jansson.h>
#include <qcow2bm.h>

/* "2026-11-27 16:00:00 UTC", or "at an unknown time" for 0. */
#define TOOL_MANIFEST_DATE 40
void tool_manifest_date(uint64_t seconds, char text[TOOL_MANIFEST_DATE]);

void tool_manifest_human(struct tool_text *text, const char *filename,
			 struct qcow2bm_old *old);
json_t *tool_manifest_json(const char *filename, struct qcow2bm_old *old);

#endif
