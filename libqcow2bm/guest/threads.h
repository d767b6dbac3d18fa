/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many threads read a disk, and their start and end. */
#ifndef Q2_GUEST_THREADS_H
#define Q2_GUEST_THREADS_H

#include <pthread.h>

#include "layer.h"

/* Whether several threads may read from these layers at once. */
bool q2_threads_are_possible(const struct q2_guest_layer *layers, size_t count);

/* The largest cluster of those layers that have clusters, in bytes; 0. */
uint64_t q2_threads_largest_cluster(const struct q2_guest_layer *layers, size_t count);

/* `asked`, 0 for as many as there are processors, and no more than `most`; 1 at least. */
size_t q2_threads_choose(unsigned asked, uint64_t most);

/* Starts up to `count` threads, which hear no signals; *started is how many: fewer for want of anything. */
pthread_t *q2_threads_start(size_t count, void *(*fn)(void *), void *opaque,
			    size_t *started);
/* Waits for their end, and frees the list. */
void q2_threads_join(pthread_t *threads, size_t count);

#endif
