/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints that were compared with an older state of the disk, for people and as JSON. */
#ifndef TOOLS_REPORT_PROOF_H
#define TOOLS_REPORT_PROOF_H

#include "../term/text.h"

#include <jansson.h>
#include <qcow2bm.h>

#define TOOL_PROOF_MOST_EXTENTS 65536 /* that are kept of all checkpoints */

struct tool_proof_row {
	size_t idx; /* of the checkpoint */
	enum qcow2bm_base base;
	bool has_base; /* there is an older state */
	struct qcow2bm_judgement judgement;
	char *reason;                         /* of one that was not compared, or NULL */
	struct qcow2bm_proof_extent *extents; /* all but those that are unchanged */
	size_t extent_count, extent_room;
	uint64_t extents_left_off;
};

struct tool_proof_report {
	const char *filename;
	uint64_t written_seconds; /* of the image; 0: not known */
	struct qcow2bm_chain *chain;
	const char *old_filename; /* NULL: no older state was given */
	const char *old_format;   /* as it was given, or NULL */
	struct qcow2bm_old *old;
	struct tool_proof_row *rows;
	size_t count;
	const struct qcow2bm_finding **findings; /* what the image tells against itself */
	size_t finding_count;
};

/* WRONG where one is, else NOT_COMPARED where one is, or there is none; else RIGHT. */
enum qcow2bm_outcome tool_proof_outcome(const struct tool_proof_report *report);

void tool_proof_human(struct tool_text *text, const struct tool_proof_report *report);
json_t *tool_proof_json(const struct tool_proof_report *report);

/* ---- proof_words.c ---- */

/* What the evidence is that the older state is the right one. */
const char *tool_proof_evidence(enum qcow2bm_base base);

/* What probably made it wrong, as a clause. */
const char *tool_proof_cause(enum qcow2bm_cause cause);

/* What to type, or NULL; the caller frees it. */
char *tool_proof_cure(const struct tool_proof_report *report,
		      const struct tool_proof_row *row);

#endif
