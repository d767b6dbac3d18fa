/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A commit in its phases. Each is a step of the next layer up as well as of qcow2bm_edit_commit():
 * several images can be prepared, then switched, then finished.
 */
#ifndef Q2_EDIT_COMMIT_H
#define Q2_EDIT_COMMIT_H

#include "plan.h"
#include "switch.h"

struct q2_commit {
	struct qcow2bm_image *image;
	struct qcow2bm_commit_options options;
	struct q2_watch watch;
	struct qcow2bm_result result; /* so far */
	struct q2_plan plan;
	struct q2_switch header; /* how it is switched over */
	struct q2_content_buffers buffers;
	struct q2_clusters written;    /* new clusters that hold something now */
	struct q2_directory directory; /* the new one; becomes the image's at the end */
	bool is_nothing; /* the image has the staged state already: it is only settled */
	bool gate_is_open; /* step 1 is done */
	bool growth_started;
	bool table_replaced; /* the refcount table, by a longer one */
};

/*
 * Step 0. Decides all that is decided before the first byte is written: a commit that goes no further
 * is a dry run. `flags` are those of the options or Q2_PLAN_IN_PLACE. Errors: those of
 * q2_plan_make(); EUNSUPPORTED when the header has no room. Crash: changes nothing.
 */
enum qcow2bm_code q2_commit_open(struct q2_commit **commit, struct qcow2bm_edit *edit,
				 const struct qcow2bm_commit_options *options,
				 unsigned flags, const struct qcow2bm_watch *watch,
				 struct qcow2bm_error *err);

/* Forgets it, whatever it has come to. NULL is allowed. */
void q2_commit_close(struct q2_commit *commit);

/* Steps 1 and 2, after which only the switch is missing. What fails is rolled back. Errors: ESYSTEM,
 * EIMAGE, ENOMEM, EINTERRUPTED. Crash: the old state, leaks. */
enum qcow2bm_code q2_commit_prepare(struct q2_commit *commit, struct qcow2bm_error *err);

/* Step 3. Errors: EUNKNOWN: the image must be opened anew, and no other phase follows. Crash: the old
 * state or the new, leaks. */
enum qcow2bm_code q2_commit_switch(struct q2_commit *commit, struct qcow2bm_error *err);

/* Steps 4 and 5; then the image object describes the new state, and the edit is empty. Crash: the new
 * state, leaks. */
void q2_commit_finish(struct q2_commit *commit);

/* Instead of the switch: gives back what was reserved. Crash: the old state, leaks. */
void q2_commit_roll_back(struct q2_commit *commit);

/* ---- phases.c ---- */

/* Leaves a prepared or switched edit as a crash would: what it holds is neither given back nor released,
 * and the image must be opened anew. Does nothing to another edit. */
void q2_phases_abandon(struct qcow2bm_edit *edit);

/* ---- gate.c ---- */

/* Step 1, before the first write of any other step: the refcount structures grow, unknown
 * autoclear bits are cleared. Does nothing when it is done. Errors: EIMAGE, ESYSTEM, ENOMEM.
 * Crash: the old state. */
enum qcow2bm_code q2_gate_open(struct q2_commit *commit, struct qcow2bm_error *err);

/* Opens the gate, writes whole clusters that are reserved, and notes them as written. Errors: those of
 * q2_gate_open(). */
enum qcow2bm_code q2_gate_write(struct q2_commit *commit, const void *buf, uint64_t first,
				uint64_t clusters, struct qcow2bm_error *err);

/* SYNC, counted. */
enum qcow2bm_code q2_gate_sync(struct q2_commit *commit, struct qcow2bm_error *err);

/* EINTERRUPTED when the caller wants to stop. */
enum qcow2bm_code q2_gate_ask(struct q2_commit *commit, struct qcow2bm_error *err);

/* ---- new_state.c ---- */

/* Step 2 without its SYNC. Finds out whether commit->is_nothing: then nothing is written. Errors:
 * ESYSTEM, EIMAGE, ENOMEM, EINTERRUPTED. Crash: the old state, leaks. */
enum qcow2bm_code q2_new_state_write(struct q2_commit *commit, struct qcow2bm_error *err);

/* ---- switch.c ---- */

/* The bitmaps extension that the planned directory gets; all 0 when no bitmap is left. */
struct q2_bitmaps_extension q2_switch_extension(const struct q2_plan *edit_plan);

/* Decides how the header is switched over to the planned directory. Errors: EUNSUPPORTED when
 * the header cluster has no room; ENOMEM. Writes nothing. */
enum qcow2bm_code q2_switch_plan(struct q2_switch *plan, const struct q2_plan *edit_plan,
				 struct qcow2bm_error *err);
void q2_switch_free(struct q2_switch *plan);

/* Writes what must be there before the switch. Ends with the SYNC of step 2. Errors: ESYSTEM,
 * EINTERRUPTED. Crash: the old state. */
enum qcow2bm_code q2_switch_prepare(struct q2_commit *commit, struct qcow2bm_error *err);

/* Takes back what q2_switch_prepare() made visible. Errors: ESYSTEM. Crash: the old state. */
enum qcow2bm_code q2_switch_take_back(struct q2_commit *commit,
				      struct qcow2bm_error *err);

/* Step 3. Errors: EUNKNOWN. Crash: the old state or the new. */
enum qcow2bm_code q2_switch_commit(struct q2_commit *commit, struct qcow2bm_error *err);

/* What the switch leaves for tidiness: the end of an extension that is not believed any more. Not
 * before all images of an edit are switched over: each could still be switched back. */
void q2_switch_tidy(struct q2_commit *commit);

/* ---- settle.c ---- */

/* Brings the state that the image has to stable storage, where an edit has nothing to do. Errors:
 * EUNKNOWN. Crash: the state that is on disk, which may be that before an earlier edit, or this. */
enum qcow2bm_code q2_settle(struct q2_commit *commit, struct qcow2bm_error *err);

/* ---- release.c ---- */

/* Steps 4 and 5: lowers the refcounts of what nothing refers to any more, syncs, punches holes.
 * What fails is counted as leaked. Crash: the new state, leaks. */
void q2_release(struct q2_commit *commit);

/* What of the old state the new contents still refer to, with what is newly theirs: sorted. Errors:
 * ENOMEM. */
enum qcow2bm_code q2_release_find_used(const struct q2_plan *plan,
				       struct q2_clusters *used,
				       struct qcow2bm_error *err);

/* Gives back what was reserved, as far as it can. Crash: the old state, leaks. */
void q2_release_reserve(struct q2_commit *commit);

#endif
