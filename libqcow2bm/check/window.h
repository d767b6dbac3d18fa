/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file is looked at window by window, each a range of clusters for which references are counted
 * in memory; then the counts are compared with the refcounts that are stored. An image up to 1 TiB,
 * at clusters of 64 KiB, is one window.
 */
#ifndef Q2_CHECK_WINDOW_H
#define Q2_CHECK_WINDOW_H

#include "../clusters/refcounts.h"

#define Q2_WINDOW_SHIFT 24 /* log2 of clusters: 32 MiB of counts */

/*
 * The count of a cluster: references by bitmaps in the high bits, by all else in the low ones;
 * both stay at their maximum once they reach it. After the comparison a cluster that bitmaps do
 * not refer to has its stored refcount there, and one with exactly one reference, by a bitmap,
 * but another refcount has a mark, which is no count: it lacks the reference.
 */
#define Q2_WINDOW_OTHERS 0x3fffu
#define Q2_WINDOW_ONE_BITMAP 0x4000u
enum q2_window_mark { Q2_WINDOW_LOW, Q2_WINDOW_HIGH };

struct q2_window {
	unsigned shift;         /* log2 of its clusters */
	uint64_t file_clusters; /* of all windows */
	uint64_t windows;
	uint8_t *is_stored; /* of each window: a refcount block counts some of it */
	bool is_first;      /* the first pass sees all that can be said once */
	bool is_marked;     /* a cluster of a bitmap needs a closer look */
	/* Where it is: for the functions below. */
	uint16_t *counts;
	uint64_t first, clusters;
};

/* Room for windows of 1 << shift clusters, at least 8, of a file of so many clusters. A window
 * matters when a refcount block counts some of it, and so does the first. Errors: ENOMEM. */
enum qcow2bm_code q2_window_open(struct q2_window *window, unsigned shift,
				 uint64_t file_clusters,
				 const struct q2_refcounts *refcounts,
				 struct qcow2bm_error *err);
void q2_window_close(struct q2_window *window);

/* Moves to window number `idx`, where nothing is counted yet. False: it does not matter. */
bool q2_window_move(struct q2_window *window, uint64_t idx);

static inline bool q2_window_has(const struct q2_window *window, uint64_t cluster)
{
	return cluster - window->first < window->clusters;
}

static inline uint64_t q2_window_end(const struct q2_window *window)
{
	return window->first + window->clusters;
}

/* Whether anything refers to a cluster that no window counts: then its refcount is 0. */
static inline bool q2_window_is_stored(const struct q2_window *window, uint64_t cluster)
{
	uint64_t idx = cluster >> window->shift;
	return idx < window->windows && window->is_stored[idx];
}

/* Counts references of something that is no bitmap, wherever the cluster is. */
static inline void q2_window_count(struct q2_window *window, uint64_t cluster,
				   unsigned times)
{
	uint64_t at = cluster - window->first;
	if (at >= window->clusters)
		return;
	unsigned value = window->counts[at], others = value & Q2_WINDOW_OTHERS;
	unsigned room = Q2_WINDOW_OTHERS - others;
	window->counts[at] = (uint16_t)(value + (times < room ? times : room));
}

/* The same for one reference of a bitmap to a cluster of the window. */
static inline void q2_window_count_bitmap(struct q2_window *window, uint64_t cluster)
{
	uint16_t *count = &window->counts[cluster - window->first];
	if (*count <= UINT16_MAX - Q2_WINDOW_ONE_BITMAP)
		*count = (uint16_t)(*count + Q2_WINDOW_ONE_BITMAP);
}

/* The rest is about a cluster of the window. */

static inline unsigned q2_window_others(const struct q2_window *window, uint64_t cluster)
{
	return window->counts[cluster - window->first] & Q2_WINDOW_OTHERS;
}

static inline unsigned q2_window_bitmaps(const struct q2_window *window, uint64_t cluster)
{
	return window->counts[cluster - window->first] / Q2_WINDOW_ONE_BITMAP;
}

/* Whether so many references may be more: the count is as high as it goes. */
static inline bool q2_window_is_full(const struct q2_window *window, uint64_t cluster)
{
	return q2_window_others(window, cluster) == Q2_WINDOW_OTHERS ||
	       q2_window_bitmaps(window, cluster) == UINT16_MAX / Q2_WINDOW_ONE_BITMAP;
}

/* How many of the clusters from `cluster` on, at most `count`, are as `stored` says, in a look at all
 * of them: all or none. Those with more than one reference of which a bitmap has one are not, as
 * they need a closer look. *last is the last that is used at all, or as it was. */
bool q2_window_is_sound(const struct q2_window *window, uint64_t cluster,
			const uint16_t *stored, size_t count, uint64_t *last);

/* Whether nothing refers to any of the clusters from `cluster` on. */
bool q2_window_is_unused(const struct q2_window *window, uint64_t cluster, size_t count);

/* In place of its count, of a cluster that a bitmap alone refers to. */
static inline void q2_window_set_mark(struct q2_window *window, uint64_t cluster,
				      enum q2_window_mark mark)
{
	window->counts[cluster - window->first] = (uint16_t)mark;
	window->is_marked = true;
}

/* Of a cluster that a bitmap refers to: whether it has the mark. */
static inline bool q2_window_has_mark(const struct q2_window *window, uint64_t cluster,
				      enum q2_window_mark mark)
{
	return window->counts[cluster - window->first] == (uint16_t)mark;
}

/* In place of the count of a cluster that no bitmap refers to: its refcount. */
static inline void q2_window_set_stored(struct q2_window *window, uint64_t cluster,
					uint16_t stored)
{
	window->counts[cluster - window->first] =
		stored < Q2_WINDOW_OTHERS ? stored : Q2_WINDOW_OTHERS;
}

#endif
