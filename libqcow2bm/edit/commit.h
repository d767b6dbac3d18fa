/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A commit on its way: what the steps share. */
#ifndef Q2_EDIT_COMMIT_H
#define Q2_EDIT_COMMIT_H

#include "plan.h"

struct q2_commit {
	struct q2_plan *plan;
	struct qcow2bm_image *image;
	const struct qcow2bm_commit_options *options;
	struct qcow2bm_result *result;
	uint64_t *words;   /* a batch of new content */
	uint64_t *other;   /* a batch of one source */
	uint64_t *scratch; /* Q2_CONVERT_WORDS for another granularity */
	uint64_t batch_clusters;
	struct q2_clusters written;    /* new clusters that hold something now */
	struct q2_directory directory; /* the new one; becomes the image's at the end */
	struct q2_watch *watch;        /* for progress */
	bool is_prepared;              /* step 1 is done */
	bool growth_started;
	bool table_replaced; /* the refcount table, by a longer one */
};

/* Step 1, before the first write of any other step: the refcount structures grow, unknown
 * autoclear bits are cleared. Does nothing when it is done. Errors: EIMAGE, ESYSTEM, ENOMEM.
 * Crash: the old state. */
enum qcow2bm_code q2_commit_prepare(struct q2_commit *commit, struct qcow2bm_error *err);

/* Writes whole clusters that are reserved, and notes them as written. Errors: ESYSTEM. */
enum qcow2bm_code q2_commit_write(struct q2_commit *commit, const void *buf,
				  uint64_t first, uint64_t clusters,
				  struct qcow2bm_error *err);

/* SYNC, counted. */
enum qcow2bm_code q2_commit_sync(struct q2_commit *commit, struct qcow2bm_error *err);

/* EINTERRUPTED when the caller wants to stop. */
enum qcow2bm_code q2_commit_ask(struct q2_commit *commit, struct qcow2bm_error *err);

/* ---- switch.c ---- */

/*
 * Where the header says which directory is the image's, and the one write of one sector that
 * says otherwise.
 */
#define Q2_SWITCH_MAX_BYTES 512 /* what a disk writes whole: one sector */

struct q2_switch {
	/* Written and synced before: nobody sees it yet. */
	uint8_t *far_bytes;
	size_t far_count;
	uint64_t far_off;
	uint64_t backing_off; /* where the backing file name moves to; 0: it stays */
	/* Then, on its own, what makes the extension visible, unless the switch itself does. */
	uint8_t near_bytes[8];
	uint64_t near_off;
	bool has_near;
	bool near_written;
	/* The switch. */
	uint8_t bytes[Q2_SWITCH_MAX_BYTES];
	size_t count;
	uint64_t off;
	/* After it, unless the switch itself does: only tidiness. */
	uint8_t after_bytes[8];
	uint64_t after_off;
	bool has_after;
};

/* Decides how the header is switched over to the planned directory. Errors: EUNSUPPORTED when
 * the header cluster has no room; ENOMEM. Writes nothing. */
enum qcow2bm_code q2_switch_plan(struct q2_switch *plan, const struct q2_plan *edit_plan,
				 struct qcow2bm_error *err);
void q2_switch_free(struct q2_switch *plan);

/* Writes what must be there before the switch. Ends with the SYNC of step 2. Errors: ESYSTEM,
 * EINTERRUPTED. Crash: the old state. */
enum qcow2bm_code q2_switch_prepare(struct q2_switch *plan, struct q2_commit *commit,
				    struct qcow2bm_error *err);

/* Takes back what q2_switch_prepare() made visible. Errors: ESYSTEM. Crash: the old state. */
enum qcow2bm_code q2_switch_undo(struct q2_switch *plan, struct q2_commit *commit,
				 struct qcow2bm_error *err);

/* Step 3. Errors: EUNKNOWN. Crash: the old state or the new. */
enum qcow2bm_code q2_switch_commit(struct q2_switch *plan, struct q2_commit *commit,
				   struct qcow2bm_error *err);

/* ---- settle.c ---- */

/* Brings the state that the image has to stable storage, where an edit has nothing to do. Errors:
 * EUNKNOWN. Crash: the state that is on disk, which may be that before an earlier edit, or this. */
enum qcow2bm_code q2_settle(const struct qcow2bm_image *image,
			    struct qcow2bm_result *result, struct qcow2bm_error *err);

/* ---- release.c ---- */

/* Steps 4 and 5: lowers the refcounts of what nothing refers to any more, syncs, punches holes.
 * What fails is counted as leaked. Crash: the new state, leaks. */
void q2_release(struct q2_commit *commit);

/* Gives back what was reserved, as far as it can, after a failure before the switch. Crash: the
 * old state, leaks. */
void q2_release_reserve(struct q2_commit *commit, struct q2_switch *plan);

#endif
