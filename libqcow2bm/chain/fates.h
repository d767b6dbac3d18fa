/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of each checkpoint in a repair, by what was found. */
#ifndef Q2_CHAIN_FATES_H
#define Q2_CHAIN_FATES_H

#include "flaws.h"

enum q2_fate {
	Q2_FATE_KEEP,
	Q2_FATE_FILL, /* all dirty */
	Q2_FATE_DROP
};

struct q2_fates {
	struct qcow2bm_chain *chain;
	const struct qcow2bm_findings *findings;
	size_t disk_idx;
	bool all_dirty; /* what would go stays, all dirty */
	bool is_reset;  /* all checkpoints go, whatever their order */
	size_t newest; /* delta, in an unknown order: this one may stay alone; or NOT_FOUND */
	bool is_renaming; /* names follow the order */
	const char *reset_reason;
	const char *
		disorder; /* why no order is known, by names that contradict each other; or NULL */
	enum q2_fate *of; /* by checkpoint */
	const char **why; /* by checkpoint that is not kept: a finding's sentence */
};

/* Judges the findings of one disk. Errors: ENOMEM. To be closed in any case. */
enum qcow2bm_code q2_fates_open(struct q2_fates *fates, struct qcow2bm_chain *chain,
				const struct qcow2bm_findings *findings, size_t disk_idx,
				bool all_dirty, struct qcow2bm_error *err);
void q2_fates_close(struct q2_fates *fates);

/* The checkpoint whose bitmap tells what was written to a layer that has none: nested the one that
 * it lacks; else the one that records in the next layer below that has any, which must be the newest
 * there, or QCOW2BM_NOT_FOUND: what was written is not known. */
size_t q2_fates_maker(const struct qcow2bm_chain *chain, size_t idx, size_t layer);

/* Whether the bitmap of a checkpoint in a layer is in-use: it becomes all dirty, and is trusted then. */
bool q2_fates_is_in_use(const struct qcow2bm_chain *chain, size_t idx, size_t layer);

#endif
