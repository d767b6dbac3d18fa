/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What recover tells people of each bitmap, and how it is done otherwise where it is refused. */
#ifndef TOOLS_CMD_RECOVER_TOLD_H
#define TOOLS_CMD_RECOVER_TOLD_H

#include "../term/text.h"
#include "recover_compared.h"

/* What the bitmap promises now. */
void tool_told_recovered(struct tool_text *report, const char *filename, const char *name,
			 size_t name_bytes, const struct qcow2bm_promise *promise);

/* How much differs from the older state: all that is told in a dry run, when it is known, too. */
void tool_told_differences(struct tool_text *report, const char *filename,
			   const char *name, size_t name_bytes,
			   const struct tool_compared *compared, size_t old_idx);

/* That no bitmap of the image is in-use. */
void tool_told_nothing(struct tool_text *report, const char *filename);

/* Prints what can be done about a bitmap that is refused for being unsafe. */
void tool_told_ways_out(const char *filename, const struct qcow2bm_promise *promise);

#endif
