/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The caller of long work: asked whether to go on, and told how far it is, ten times a second. */
#ifndef Q2_BASE_WATCH_H
#define Q2_BASE_WATCH_H

#include "../qcow2bm.h"

/* The private side of a struct qcow2bm_watch, for the time of one call. */
struct q2_watch {
	struct qcow2bm_watch caller;
	const char *state;    /* what an interruption leaves: "the image is as it was" */
	uint64_t done, total; /* bytes */
	int64_t next_ms;      /* of the monotonic clock, when to ask again; 0: at once */
	bool has_told;
	bool has_stopped; /* the caller said so, and is not asked again */
};

/* Makes the watch of a call; `caller` may be NULL. Errors: EINVAL, as q2_options_take(). */
enum qcow2bm_code q2_watch_begin(struct q2_watch *watch,
				 const struct qcow2bm_watch *caller, const char *state,
				 struct qcow2bm_error *err);

/* Asks now. Errors: EINTERRUPTED. */
enum qcow2bm_code q2_watch_ask(struct q2_watch *watch, struct qcow2bm_error *err);

/*
 * For every turn of a loop, whatever it does: asks, and tells, the first time and when a tenth of
 * a second has passed since. watch is NULL where nobody looks on. Errors: EINTERRUPTED.
 */
enum qcow2bm_code q2_watch_look(struct q2_watch *watch, struct qcow2bm_error *err);

/* Notes how far the work is, to be told at the next look. */
static inline void q2_watch_note(struct q2_watch *watch, uint64_t done, uint64_t total)
{
	if (watch == NULL)
		return;
	watch->done = done;
	watch->total = total;
}

/* All is done: tells that. */
void q2_watch_end(const struct q2_watch *watch);

#endif
