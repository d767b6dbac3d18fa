/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking and telling at a pace that costs nothing. */
#define _POSIX_C_SOURCE 200809L

#include "watch.h"

#include <time.h>

#include "error.h"
#include "options.h"

#define INTERVAL_MS 100

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum qcow2bm_code q2_watch_begin(struct q2_watch *watch,
				 const struct qcow2bm_watch *caller, const char *state,
				 struct qcow2bm_error *err)
{
	*watch = (struct q2_watch){.state = state};
	return q2_options_take(&watch->caller, sizeof(watch->caller), caller,
			       "the options of a watch", err);
}

enum qcow2bm_code q2_watch_ask(struct q2_watch *watch, struct qcow2bm_error *err)
{
	if (watch == NULL)
		return QCOW2BM_OK;
	const struct qcow2bm_watch *caller = &watch->caller;
	if (!watch->has_stopped && caller->interrupted != NULL)
		watch->has_stopped = caller->interrupted(caller->opaque);
	if (watch->has_stopped)
		return q2_fail(err, QCOW2BM_EINTERRUPTED, QCOW2BM_NO_OFFSET,
			       "interrupted; %s", watch->state);
	return QCOW2BM_OK;
}

static void tell(const struct q2_watch *watch, uint64_t done)
{
	const struct qcow2bm_watch *caller = &watch->caller;
	if (caller->progress != NULL)
		caller->progress(caller->opaque,
				 done < watch->total ? done : watch->total, watch->total);
}

enum qcow2bm_code q2_watch_look(struct q2_watch *watch, struct qcow2bm_error *err)
{
	if (watch == NULL)
		return QCOW2BM_OK;
	int64_t now = now_ms();
	/* How much there is to do may be known only now: the first time it is told at once. */
	bool is_news = watch->total != 0 && !watch->has_told;
	if (now < watch->next_ms && !is_news && !watch->has_stopped)
		return QCOW2BM_OK;
	watch->next_ms = now + INTERVAL_MS;
	watch->has_told |= is_news;
	if (watch->total != 0)
		tell(watch, watch->done);
	return q2_watch_ask(watch, err);
}

void q2_watch_end(const struct q2_watch *watch)
{
	if (watch->total != 0)
		tell(watch, watch->total);
}
