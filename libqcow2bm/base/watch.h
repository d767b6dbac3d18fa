/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The caller of long work: asked whether to go on, and told how far it is, ten times a second. */
#ifndef Q2_BASE_WATCH_H
#define Q2_BASE_WATCH_H

#include "../qcow2bm.h"

struct q2_watch {
	bool (*interrupted)(void *opaque);                             /* may be NULL */
	void (*progress)(void *opaque, uint64_t done, uint64_t total); /* may be NULL */
	void *opaque;
	const char *state;    /* what an interruption leaves: "the image is as it was" */
	uint64_t done, total; /* bytes */
	int64_t next_ms;      /* of the monotonic clock, when to ask again; 0: at once */
	bool has_told;
};

/* Asks now. Errors: EINTERRUPTED. */
enum qcow2bm_code q2_watch_ask(struct q2_watch *watch, struct qcow2bm_error *err);

/*
 * For every turn of a loop, whatever it does: asks, and tells, the first time and when a tenth of
 * a second has passed since. watch is NULL where nobody looks on. Errors: EINTERRUPTED.
 */
enum qcow2bm_code q2_watch_look(struct q2_watch *watch, struct qcow2bm_error *err);

/* All is done: tells that. */
void q2_watch_end(const struct q2_watch *watch);

#endif
