/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many threads read a disk, and their start and end. */
#define _GNU_SOURCE /* sched_getaffinity() */

#include "threads.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "../base/checked.h"

#define MAX_THREADS 64u

bool q2_threads_are_possible(const struct q2_guest_layer *layers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct q2_guest_layer *layer = &layers[i];
		if ((layer->data != NULL && !layer->data->is_parallel) ||
		    (layer->image != NULL && !layer->image->storage->is_parallel))
			return false;
	}
	return true;
}

uint64_t q2_threads_largest_cluster(const struct q2_guest_layer *layers, size_t count)
{
	uint64_t largest = 0;
	for (size_t i = 0; i < count; i++)
		if (layers[i].image != NULL)
			largest = q2_max_u64(largest, q2_header_cluster_bytes(
							      &layers[i].image->header));
	return largest;
}

static unsigned processors(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	int count = CPU_COUNT(&set);
	return count < 1 ? 1 : (unsigned)count;
}

size_t q2_threads_choose(unsigned asked, uint64_t most)
{
	uint64_t count = asked == 0 ? processors() : asked;
	count = q2_min_u64(q2_min_u64(count, MAX_THREADS), most);
	return (size_t)q2_max_u64(count, 1);
}

/* A signal is for the caller's thread, which looks whether one came. */
pthread_t *q2_threads_start(size_t count, void *(*fn)(void *), void *opaque,
			    size_t *started)
{
	sigset_t all, before;
	pthread_t *threads = calloc(count + 1, sizeof(*threads));
	*started = 0;
	if (threads == NULL)
		return NULL;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (*started < count &&
	       pthread_create(&threads[*started], NULL, fn, opaque) == 0)
		++*started;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return threads;
}

void q2_threads_join(pthread_t *threads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}
