/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads that share the pieces of one read: each takes the next one, until there is none. */
#include "crew.h"

#include <pthread.h>
#include <stdlib.h>

#include "../base/error.h"
#include "threads.h"

#define MEMBERS_BYTES (24ull << 20) /* of all threads */

struct q2_crew {
	const struct q2_guest_layer *layers;
	pthread_mutex_t mutex;
	pthread_cond_t has_work, is_done;
	pthread_t *threads;
	size_t thread_count;
	bool is_ending;
	/* The read at hand. Pieces before `next` are taken; those that are at work are `busy`. */
	const struct q2_crew_piece *pieces;
	size_t count, next, busy;
	size_t failed; /* the first piece that could not be fetched, or count */
	struct qcow2bm_error err;
	struct q2_guest_fetcher own; /* the caller's */
};

/* Fetches one piece after the other. The mutex is held before and after. Whatever comes before a piece
 * that failed was taken earlier, so that the first failure is known when nobody is busy. */
static void take_part(struct q2_crew *crew, struct q2_guest_fetcher *fetcher)
{
	while (crew->next < crew->count && crew->failed == crew->count) {
		size_t idx = crew->next++;
		const struct q2_crew_piece *piece = &crew->pieces[idx];
		struct qcow2bm_error err = {0};
		crew->busy++;
		pthread_mutex_unlock(&crew->mutex);
		enum qcow2bm_code code =
			q2_guest_fetch(fetcher, &crew->layers[piece->extent.layer],
				       &piece->extent, piece->buf, &err);
		pthread_mutex_lock(&crew->mutex);
		crew->busy--;
		if (code != QCOW2BM_OK && idx < crew->failed) {
			crew->failed = idx;
			crew->err = err;
		}
	}
	if (crew->busy == 0)
		pthread_cond_signal(&crew->is_done);
}

static void *work(void *opaque)
{
	struct q2_crew *crew = opaque;
	struct q2_guest_fetcher fetcher = {0};
	pthread_mutex_lock(&crew->mutex);
	while (!crew->is_ending) {
		take_part(crew, &fetcher);
		pthread_cond_wait(&crew->has_work, &crew->mutex);
	}
	pthread_mutex_unlock(&crew->mutex);
	q2_guest_fetcher_free(&fetcher);
	return NULL;
}

/* A cluster, and a stream of up to twice its length. */
static uint64_t member_bytes(const struct q2_guest_layer *layers, size_t count)
{
	return 3 * q2_threads_largest_cluster(layers, count) + (64u << 10);
}

enum qcow2bm_code q2_crew_open(struct q2_crew **result,
			       const struct q2_guest_layer *layers, size_t layer_count,
			       unsigned threads, struct qcow2bm_error *err)
{
	struct q2_crew *crew = calloc(1, sizeof(*crew));
	if (crew == NULL)
		return q2_fail_memory(err, "reading a disk");
	size_t most = q2_threads_are_possible(layers, layer_count)
			      ? q2_threads_choose(
					threads,
					MEMBERS_BYTES / member_bytes(layers, layer_count))
			      : 1;
	crew->layers = layers;
	pthread_mutex_init(&crew->mutex, NULL);
	pthread_cond_init(&crew->has_work, NULL);
	pthread_cond_init(&crew->is_done, NULL);
	crew->threads = q2_threads_start(most - 1, work, crew, &crew->thread_count);
	*result = crew;
	return QCOW2BM_OK;
}

void q2_crew_close(struct q2_crew *crew)
{
	if (crew == NULL)
		return;
	pthread_mutex_lock(&crew->mutex);
	crew->is_ending = true;
	pthread_cond_broadcast(&crew->has_work);
	pthread_mutex_unlock(&crew->mutex);
	q2_threads_join(crew->threads, crew->thread_count);
	pthread_cond_destroy(&crew->is_done);
	pthread_cond_destroy(&crew->has_work);
	pthread_mutex_destroy(&crew->mutex);
	q2_guest_fetcher_free(&crew->own);
	free(crew);
}

enum qcow2bm_code q2_crew_fetch(struct q2_crew *crew, const struct q2_crew_piece *pieces,
				size_t count, struct qcow2bm_error *err)
{
	pthread_mutex_lock(&crew->mutex);
	crew->pieces = pieces;
	crew->count = crew->failed = count;
	crew->next = 0;
	if (count > 1)
		pthread_cond_broadcast(&crew->has_work);
	take_part(crew, &crew->own);
	while (crew->busy != 0)
		pthread_cond_wait(&crew->is_done, &crew->mutex);
	bool has_failed = crew->failed < count;
	crew->count = crew->next = 0;
	pthread_mutex_unlock(&crew->mutex);
	return has_failed ? q2_pass(err, &crew->err) : QCOW2BM_OK;
}
