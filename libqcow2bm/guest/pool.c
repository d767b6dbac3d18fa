/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads that work on batches, in a ring. */
#include "pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "../base/error.h"
#include "threads.h"

#define WORKERS_BYTES (40ull << 20) /* of all threads; batches and tables come on top */

enum state { STATE_FREE, STATE_GIVEN, STATE_BEGUN, STATE_DONE };

struct slot {
	enum state state;
	struct q2_batch batch;
};

struct q2_pool {
	struct slot *slots; /* a ring */
	size_t slot_count;
	size_t oldest, next,
		given; /* slots: to be taken, to be filled; how many are in work */
	size_t begin;  /* where a thread looks for the next that was given */
	struct q2_batch_worker own; /* of the caller, where there are no threads */
	pthread_mutex_t mutex;
	pthread_cond_t has_work, is_done;
	pthread_t *threads;
	size_t thread_count;
	bool is_ending;
};

/* The next slot that was given and not begun; NULL at the end. The mutex is held. */
static struct slot *wait_for_work(struct q2_pool *pool)
{
	for (;;) {
		struct slot *slot = &pool->slots[pool->begin];
		if (pool->is_ending)
			return NULL;
		if (slot->state == STATE_GIVEN) {
			slot->state = STATE_BEGUN;
			pool->begin = (pool->begin + 1) % pool->slot_count;
			return slot;
		}
		pthread_cond_wait(&pool->has_work, &pool->mutex);
	}
}

static void *work(void *opaque)
{
	struct q2_pool *pool = opaque;
	struct q2_batch_worker worker = {0};
	struct slot *slot;
	pthread_mutex_lock(&pool->mutex);
	while ((slot = wait_for_work(pool)) != NULL) {
		pthread_mutex_unlock(&pool->mutex);
		q2_batch_run(&slot->batch, &worker);
		pthread_mutex_lock(&pool->mutex);
		slot->state = STATE_DONE;
		pthread_cond_signal(&pool->is_done);
	}
	pthread_mutex_unlock(&pool->mutex);
	q2_batch_worker_free(&worker);
	return NULL;
}

/* 0: the caller does the work. */
static size_t choose_threads(struct qcow2bm_disk *const disks[2], unsigned threads)
{
	size_t count =
		q2_threads_choose(threads, WORKERS_BYTES / q2_batch_worker_bytes(disks));
	for (int side = 0; side < 2; side++)
		if (!q2_threads_are_possible(disks[side]->layers, disks[side]->count))
			count = 1;
	return count < 2 ? 0 : count;
}

enum qcow2bm_code q2_pool_open(struct q2_pool **result,
			       struct qcow2bm_disk *const disks[2], unsigned threads,
			       struct qcow2bm_error *err)
{
	size_t count = choose_threads(disks, threads);
	struct q2_pool *pool = calloc(1, sizeof(*pool));
	if (pool == NULL)
		return q2_fail_memory(err, "a comparison");
	pool->slot_count = count + 2;
	pool->slots = calloc(pool->slot_count, sizeof(*pool->slots));
	if (pool->slots == NULL) {
		free(pool);
		return q2_fail_memory(err, "a comparison");
	}
	for (size_t i = 0; i < pool->slot_count; i++) {
		pool->slots[i].batch.disks[0] = disks[0];
		pool->slots[i].batch.disks[1] = disks[1];
	}
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->has_work, NULL);
	pthread_cond_init(&pool->is_done, NULL);
	pool->threads = q2_threads_start(count, work, pool, &pool->thread_count);
	*result = pool;
	return QCOW2BM_OK;
}

void q2_pool_close(struct q2_pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->mutex);
	pool->is_ending = true;
	pthread_cond_broadcast(&pool->has_work);
	pthread_mutex_unlock(&pool->mutex);
	q2_threads_join(pool->threads, pool->thread_count);
	pthread_cond_destroy(&pool->is_done);
	pthread_cond_destroy(&pool->has_work);
	pthread_mutex_destroy(&pool->mutex);
	q2_batch_worker_free(&pool->own);
	free(pool->slots);
	free(pool);
}

struct q2_batch *q2_pool_free_batch(struct q2_pool *pool)
{
	/* Who does all the work himself looks at each batch at once. */
	size_t most = pool->thread_count == 0 ? 1 : pool->slot_count;
	if (pool->given == most)
		return NULL;
	struct q2_batch *batch = &pool->slots[pool->next].batch;
	batch->count = 0;
	batch->bytes = 0;
	return batch;
}

void q2_pool_give(struct q2_pool *pool)
{
	struct slot *slot = &pool->slots[pool->next];
	pool->next = (pool->next + 1) % pool->slot_count;
	pool->given++;
	if (pool->thread_count == 0) {
		q2_batch_run(&slot->batch, &pool->own);
		slot->state = STATE_DONE;
		return;
	}
	pthread_mutex_lock(&pool->mutex);
	slot->state = STATE_GIVEN;
	pthread_cond_signal(&pool->has_work);
	pthread_mutex_unlock(&pool->mutex);
}

const struct q2_batch *q2_pool_take(struct q2_pool *pool)
{
	struct slot *slot = &pool->slots[pool->oldest];
	if (pool->given == 0)
		return NULL;
	pthread_mutex_lock(&pool->mutex);
	while (slot->state != STATE_DONE)
		pthread_cond_wait(&pool->is_done, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
	return &slot->batch;
}

void q2_pool_return(struct q2_pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	pool->slots[pool->oldest].state = STATE_FREE;
	pthread_mutex_unlock(&pool->mutex);
	pool->oldest = (pool->oldest + 1) % pool->slot_count;
	pool->given--;
}
