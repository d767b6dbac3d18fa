/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checkpoints of a disk: what changed since each, and what a backup can do with it. */
#ifndef TOOLS_REPORT_CHAIN_H
#define TOOLS_REPORT_CHAIN_H

#include "../term/text.h"

#include <jansson.h>
#include <qcow2bm.h>

struct tool_watch;

struct tool_chain_checkpoint {
	const struct qcow2bm_checkpoint *entry;
	struct qcow2bm_since since;
	char *reason;         /* why the verdict is not INCREMENTAL, or NULL */
	uint64_t dirty_bytes; /* what changed since; the whole disk unless INCREMENTAL */
};

struct tool_chain_report {
	const char *filename;
	struct qcow2bm_chain *chain;
	struct qcow2bm_order order;
	uint64_t virtual_bytes;
	struct tool_chain_checkpoint *checkpoints;
	size_t count;
};

/* Looks at all checkpoints of a disk whose order was found; it is number `part` of so many parts of the
 * work. */
enum qcow2bm_code tool_chain_report_take(struct tool_chain_report *report,
					 const char *filename,
					 struct qcow2bm_chain *chain,
					 const struct qcow2bm_order *order,
					 struct tool_watch *watch, uint64_t part,
					 uint64_t parts, struct qcow2bm_error *err);
void tool_chain_report_free(struct tool_chain_report *report);

void tool_chain_human(struct tool_text *text, const struct tool_chain_report *report);

/* One object for each checkpoint, of the first lines of the JSON. */
void tool_chain_json_verdicts(json_t *array, const struct tool_chain_report *report);
json_t *tool_chain_json_disk(const struct tool_chain_report *report);

#endif
