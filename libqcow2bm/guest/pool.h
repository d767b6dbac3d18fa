/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads that work on batches, which come back in the order in which they were given. */
#ifndef Q2_GUEST_POOL_H
#define Q2_GUEST_POOL_H

#include "batch.h"

struct q2_pool;

/* Starts up to `threads` threads, 0 for as many as there are processors, and fewer where their memory
 * would not be bounded. One thread is the caller's own. Errors: ENOMEM. */
enum qcow2bm_code q2_pool_open(struct q2_pool **pool, struct qcow2bm_disk *const disks[2],
			       unsigned threads, struct qcow2bm_error *err);
/* Ends them; what they have begun is lost. NULL is allowed. */
void q2_pool_close(struct q2_pool *pool);

/* A batch to be filled, or NULL: the oldest must be taken first. */
struct q2_batch *q2_pool_free_batch(struct q2_pool *pool);
/* Gives the batch that was filled to the threads. */
void q2_pool_give(struct q2_pool *pool);
/* Waits for the oldest of those that were given; NULL: there is none. */
const struct q2_batch *q2_pool_take(struct q2_pool *pool);
/* The oldest was looked at, and is free again. */
void q2_pool_return(struct q2_pool *pool);

#endif
