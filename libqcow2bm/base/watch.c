/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking and telling at a pace that costs nothing. */
#define _POSIX_C_SOURCE 200809L

#include "watch.h"

#include <time.h>

#include "error.h"

#define INTERVAL_MS 100

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum qcow2bm_code q2_watch_ask(struct q2_watch *watch, struct qcow2bm_error *err)
{
	if (watch != NULL && watch->interrupted != NULL &&
	    watch->interrupted(watch->opaque))
		return q2_fail(err, QCOW2BM_EINTERRUPTED, QCOW2BM_NO_OFFSET,
			       "interrupted; %s", watch->state);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_watch_look(struct q2_watch *watch, struct qcow2bm_error *err)
{
	if (watch == NULL)
		return QCOW2BM_OK;
	int64_t now = now_ms();
	if (now < watch->next_ms)
		return QCOW2BM_OK;
	watch->next_ms = now + INTERVAL_MS;
	if (watch->progress != NULL && watch->total != 0)
		watch->progress(watch->opaque,
				watch->done < watch->total ? watch->done : watch->total,
				watch->total);
	return q2_watch_ask(watch, err);
}
