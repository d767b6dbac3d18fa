/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be wrong with checkpoints: the table of kinds, and the list of what was found. */
#ifndef Q2_CHAIN_FLAWS_H
#define Q2_CHAIN_FLAWS_H

#include "layers.h"

/* Two may have one code, where the same fault wants another cure. */
enum q2_flaw_id {
	Q2_FLAW_NOT_IN_TOP,
	Q2_FLAW_GAP,
	Q2_FLAW_HOLDS_NONE,
	Q2_FLAW_IN_USE_LIVE,
	Q2_FLAW_IN_USE_STALE,
	Q2_FLAW_IN_USE_IDLE,
	Q2_FLAW_IN_USE_UNKNOWN,
	Q2_FLAW_CORRUPT,
	Q2_FLAW_DISABLED,
	Q2_FLAW_DISABLED_ALL,
	Q2_FLAW_DISABLED_BELOW,
	Q2_FLAW_RECORDING,
	Q2_FLAW_RECORDING_ALONE,
	Q2_FLAW_NOT_NESTED,
	Q2_FLAW_ALLOCATED_CLEAN,
	Q2_FLAW_ALLOCATED_CLEAN_OLDER,
	Q2_FLAW_HOLE,
	Q2_FLAW_HOLES,
	Q2_FLAW_FORK,
	Q2_FLAW_TWO_PARENTS,
	Q2_FLAW_CIRCLE,
	Q2_FLAW_ORDER_UNKNOWN,
	Q2_FLAW_PARENT_GONE,
	Q2_FLAW_SOME_DISKS,
	Q2_FLAW_GRANULARITY,
	Q2_FLAW_SIZE,
	Q2_FLAW_TEMPORARY,
	Q2_FLAW_CHAIN_CUT_OFF,
	Q2_FLAWS
};

/* What a repair does about it. */
enum q2_flaw_remedy {
	Q2_REMEDY_NOTHING, /* it is no fault, or not one that a repair could mend */
	Q2_REMEDY_MAKE,    /* make the bitmap from what the layer holds */
	Q2_REMEDY_FILL,    /* the bitmap is all dirty, and not in-use any more */
	Q2_REMEDY_DROP, /* no backup can use the checkpoint, in the delta scheme with all older ones */
	Q2_REMEDY_DROP_NEWEST, /* the same of the newest one: nothing records */
	Q2_REMEDY_BRIDGE, /* the same, or what stood between two checkpoints is all dirty */
	Q2_REMEDY_SILENCE, /* the bitmap does not record any more */
	Q2_REMEDY_REMOVE,  /* delete the bitmap */
	Q2_REMEDY_RENAME /* names tell the order that was given, or all go but the newest */
};

struct q2_flaw_kind {
	const char *code;
	enum qcow2bm_severity severity;
	enum qcow2bm_chain_cure cure;
	enum q2_flaw_remedy remedy;
};

const struct q2_flaw_kind *q2_flaws_kind(enum q2_flaw_id id);

struct q2_finding {
	struct qcow2bm_finding shown;
	enum q2_flaw_id id;
};

struct qcow2bm_findings {
	struct q2_finding *list;
	size_t count, room;
	bool has_lost; /* for want of memory */
	/* What is being verified: */
	const struct qcow2bm_chain *chain;
	size_t disk_idx;
	bool can_delete; /* one checkpoint alone */
};

/* From here on findings are about this disk. */
void q2_flaws_begin(struct qcow2bm_findings *findings, const struct qcow2bm_chain *chain,
		    size_t disk_idx);

/* Where something is wrong; QCOW2BM_NOT_FOUND for what it is not about. */
struct q2_place {
	size_t layer, idx, other, bitmap;
};

static inline struct q2_place q2_place(size_t layer, size_t idx)
{
	return (struct q2_place){layer, idx, QCOW2BM_NOT_FOUND, QCOW2BM_NOT_FOUND};
}

/* The name of a checkpoint for "%.*s". */
static inline int q2_place_shown(const struct q2_checkpoint *checkpoint)
{
	return checkpoint->name_bytes > 80 ? 80 : (int)checkpoint->name_bytes;
}

/* Adds a finding. Where a checkpoint cannot be deleted alone the cure is another one. Want of memory is
 * remembered. */
void q2_flaws_add(struct qcow2bm_findings *findings, enum q2_flaw_id id,
		  struct q2_place place, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts the findings in order. Errors: ENOMEM when one was lost. */
enum qcow2bm_code q2_flaws_finish(struct qcow2bm_findings *findings,
				  struct qcow2bm_error *err);

/* ---- lineage.c ---- */

/* What names tell of parents: forks, circles, holes. Errors: ENOMEM. */
enum qcow2bm_code q2_lineage_verify(struct qcow2bm_findings *findings,
				    struct qcow2bm_error *err);

/* Whether the name of a checkpoint tells that it is the child of another. */
bool q2_lineage_is_child(const struct q2_checkpoint *it,
			 const struct q2_checkpoint *before);

/* Delta, in order: whether one is missing between a checkpoint and the one before, by their names. */
bool q2_lineage_is_hole(const struct qcow2bm_chain *chain, size_t idx);

/* Sets chain->orphan of a chain without an order. Errors: ENOMEM. */
enum qcow2bm_code q2_lineage_find_orphan(struct qcow2bm_chain *chain,
					 struct qcow2bm_error *err);

/* ---- coverage.c ---- */

/* Whether each layer from the top to the lowest that has a bitmap of a checkpoint tells what was written
 * to it. Errors: ENOMEM. */
enum qcow2bm_code q2_coverage_verify(struct qcow2bm_findings *findings,
				     struct qcow2bm_error *err);

/* ---- records.c ---- */

/* Whether bitmaps record where the scheme wants it, and nowhere else. */
void q2_records_verify(struct qcow2bm_findings *findings);

#endif
