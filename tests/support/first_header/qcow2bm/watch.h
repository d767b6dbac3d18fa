/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who looks on while a call works: it may stop it, and learns how far it is. Included by
 * qcow2bm.h. */
#ifndef QCOW2BM_WATCH_H
#define QCOW2BM_WATCH_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Every call that may take long takes a watch, which may be NULL, and asks it from the
 * thread that made the call: the first time at once, then ten times a second. The
 * functions call nothing of this image.
 */
struct qcow2bm_watch {
	/* of this struct, as the caller knows it: QCOW2BM_WATCH_INIT sets it */
	size_t size;
	/* True: stop. The call fails with EINTERRUPTED, and has changed nothing, or
	 * taken back what it did; once said, it is not asked again. Never asked from
	 * the switch of a commit on, nor once an undo writes. May be NULL. */
	bool (*interrupted)(void *opaque);
	/* How many bytes of the work are done, and how many there are in all, which
	 * may grow on the way; of checkpoints steps, which are as good for telling how
	 * far it is. Called where that is known: check, plan, commit, carve, metadata,
	 * order, since and verify of a chain. May be NULL. */
	void (*progress)(void *opaque, uint64_t done_bytes, uint64_t total_bytes);
	void *opaque; /* what the functions are given */
};

#define QCOW2BM_WATCH_INIT                                     \
	{                                                      \
		sizeof(struct qcow2bm_watch), NULL, NULL, NULL \
	}

#ifdef __cplusplus
}
#endif

#endif
