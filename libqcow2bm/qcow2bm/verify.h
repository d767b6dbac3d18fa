/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verifying the checkpoints of disks: what is wrong, and what helps. Included by qcow2bm.h. */
#ifndef QCOW2BM_VERIFY_H
#define QCOW2BM_VERIFY_H

#include "chain.h"
#include "check.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What helps against a finding. None of them calls a range clean that may have changed. May grow. */
enum qcow2bm_chain_cure {
	QCOW2BM_CHAIN_CURE_NONE, /* nothing to do */
	QCOW2BM_CHAIN_CURE_DELETE, /* delete the checkpoint, and the other one: no backup can use it */
	QCOW2BM_CHAIN_CURE_DELETE_OLDER, /* delete the checkpoint and all that are older */
	QCOW2BM_CHAIN_CURE_START_ANEW, /* delete all bitmaps of checkpoints in all layers: what is
					  older than which is not known */
	QCOW2BM_CHAIN_CURE_RECOVER,       /* recover the bitmap */
	QCOW2BM_CHAIN_CURE_CHECK,         /* check the image, which tells what to do */
	QCOW2BM_CHAIN_CURE_DISABLE,       /* the bitmap need not record any more */
	QCOW2BM_CHAIN_CURE_DELETE_BITMAP, /* delete the bitmap, which is no checkpoint's */
	QCOW2BM_CHAIN_CURE_UPGRADE, /* make the layer one of version 3, which can hold bitmaps */
	QCOW2BM_CHAIN_CURE_REPAIR, /* repair the chain */
	QCOW2BM_CHAIN_CURE_AGAIN   /* type the chain command that was cut off again */
};

/* "delete", "recover": as the JSON of qcow2bm chain verify has it. NULL for none. */
const char *qcow2bm_chain_cure_name(enum qcow2bm_chain_cure cure);

/* One finding. Indexes that it is not about are QCOW2BM_NOT_FOUND. */
struct qcow2bm_finding {
	const char *code; /* stable, of small letters and dashes: "not-in-top" */
	enum qcow2bm_severity severity;
	enum qcow2bm_chain_cure cure;
	size_t disk_idx;   /* of the chains that were given */
	size_t layer_idx;  /* as for qcow2bm_chain_layer() */
	size_t idx;        /* of the checkpoint */
	size_t other_idx;  /* of a second checkpoint */
	size_t bitmap_idx; /* of the layer, as for qcow2bm_bitmap_describe() */
	const char *sentence;
};

struct qcow2bm_findings;

/*
 * Verifies the checkpoints of disks whose order was looked for: that every layer tells what changed
 * while it was written, that bitmaps can be trusted and record where the scheme wants it, that older
 * ones have what newer ones have, that names tell one line of descent, that an overlay has no cluster
 * of its own that is clean in a bitmap which was begun with it, and that all disks have the
 * same. Reads only; memory is bounded.
 *
 * Errors: EIMAGE for a layer whose tables cannot be read; ESYSTEM, ENOMEM, EINTERRUPTED. What is wrong
 * with the checkpoints is among the findings. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_verify(struct qcow2bm_chain *const *chains, size_t count,
		     struct qcow2bm_findings **findings,
		     const struct qcow2bm_watch *watch, struct qcow2bm_error *err);
void qcow2bm_findings_free(struct qcow2bm_findings *findings);

/* Findings in the order of disks, of one disk the worst first. They live as long as the list; an index
 * out of range has NULL. */
size_t qcow2bm_findings_count(const struct qcow2bm_findings *findings);
const struct qcow2bm_finding *
qcow2bm_findings_finding(const struct qcow2bm_findings *findings, size_t number);

/* What a repair does about checkpoints. May grow. */
enum qcow2bm_mending {
	QCOW2BM_MENDING_DROPPED, /* deleted in all layers: no backup can use it any more */
	QCOW2BM_MENDING_ALL_DIRTY, /* everything counts as changed since it, and all older ones */
	QCOW2BM_MENDING_MADE, /* a layer that lacked it gets it, with all that the layer holds */
	QCOW2BM_MENDING_SILENCED, /* does not record any more: a newer one does */
	QCOW2BM_MENDING_RENAMED,  /* tells the parent that the given order tells */
	QCOW2BM_MENDING_REMOVED,  /* a bitmap with a temporary name is deleted */
	QCOW2BM_MENDING_LEFT      /* nothing is done about it */
};

/* "dropped", "all-dirty", "made": as the JSON of qcow2bm chain repair has it. NULL for none. */
const char *qcow2bm_mending_name(enum qcow2bm_mending mending);

struct qcow2bm_mended {
	enum qcow2bm_mending mending;
	const char *name; /* of the checkpoint or bitmap; NULL: of none alone */
	size_t name_bytes;
	size_t layer_idx;   /* or QCOW2BM_NOT_FOUND */
	const char *reason; /* what was found, or under which condition it is right */
};

/* Told of each; what it is told lives until it returns. */
typedef void qcow2bm_mended_fn(void *opaque, const struct qcow2bm_mended *mended);

enum {
	/* What would be deleted stays, all dirty: with it, delta, older ones as supersets. */
	QCOW2BM_MEND_ALL_DIRTY = 1u << 0
};

/*
 * Stages what mends the findings of disk `disk_idx`, that of `chain`, which was verified and of which
 * nothing is staged. Checkpoints that no backup can use any more are deleted; what a layer lacks is made
 * from what it holds, if the layer below recorded; bitmaps that a crash left in-use become all dirty;
 * temporary ones go. Where the order was given, names that tell another follow it; where none is known,
 * all checkpoints are deleted. A checkpoint that other disks do not have stays. `fn` may be NULL. What is
 * staged goes onto one edit for each layer (qcow2bm_chain_edit()).
 *
 * Errors: as qcow2bm_chain_delete(). After a failure what was staged is of no use. Crash: changes
 * nothing.
 */
enum qcow2bm_code qcow2bm_chain_repair(struct qcow2bm_chain *chain,
				       const struct qcow2bm_findings *findings,
				       size_t disk_idx, unsigned flags,
				       qcow2bm_mended_fn *fn, void *opaque,
				       struct qcow2bm_error *err);

/*
 * Whether libvirt will accept the checkpoint for an incremental backup, by its own rule: the top layer
 * has its bitmap, so have the layers below without a gap, and each of them records, is not in-use and
 * not corrupt. The name must be one that libvirt gives. It is weaker than ours: what lies in
 * the bits is not looked at. Errors: none; after qcow2bm_chain_verify() alone corrupt bitmaps are all
 * known. Crash: changes nothing.
 */
bool qcow2bm_chain_suits_libvirt(const struct qcow2bm_chain *chain, size_t idx);

#ifdef __cplusplus
}
#endif

#endif
