/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reference walk. The file is looked at window by window, each a range of clusters for which
 * references are counted in memory; then the counts are compared with the refcounts that are
 * stored. An image up to 1 TiB, at clusters of 64 KiB, is one window.
 */
#ifndef Q2_CHECK_REFERENCES_H
#define Q2_CHECK_REFERENCES_H

#include "../base/watch.h"
#include "../clusters/l1.h"
#include "../clusters/refcounts.h"
#include "entries.h"
#include "problems.h"

#define Q2_REFERENCES_WINDOW_SHIFT 24 /* log2 of clusters: 32 MiB of counts */

/*
 * The count of a cluster: references by bitmaps in the high bits, by all else in the low ones;
 * both stay at their maximum once they reach it. After the comparison a cluster that bitmaps do
 * not refer to has its stored refcount there, and one with exactly one reference, by a bitmap,
 * but another refcount has one of the marks below.
 */
#define Q2_REFERENCES_OTHERS 0x3fffu
#define Q2_REFERENCES_ONE_BITMAP 0x4000u
#define Q2_REFERENCES_MARK_LOW 0u
#define Q2_REFERENCES_MARK_HIGH 1u

/* An L2 table, with what is known of the clusters that its entries name. */
struct q2_walk_l2 {
	uint64_t cluster;
	uint32_t lowest, highest; /* windows; none: lowest is higher */
	uint16_t times;           /* entries of L1 tables that name it */
	bool is_active;           /* one of them is the active disk's ... */
	bool is_copied;           /* ... and has its flag set: refcount is 1 */
};

/* What is seen of a bitmap, cluster by cluster. */
struct q2_walk_bitmap {
	struct q2_tally metadata, guest, bitmaps, low, high;
	uint64_t shared_cluster; /* the first that several bitmap entries name */
	unsigned shared_hits;    /* how many of them are this bitmap's */
};

struct q2_walk {
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	struct q2_watch *watch; /* NULL: nobody looks on */
	const struct q2_layout *layouts;
	bool is_quick;
	unsigned cluster_bits;
	uint64_t clusters; /* in the file */

	/* The window. */
	unsigned window_shift;
	uint16_t *counts;
	uint64_t first;
	uint64_t window_clusters;
	bool has_marks; /* a cluster of a bitmap needs a closer look */
	uint64_t window_count;
	uint8_t *has_window; /* whether a refcount block counts some of it */

	/* What refers. */
	struct q2_l1_list l1;
	struct q2_walk_l2 *l2_tables; /* sorted by place */
	size_t l2_count, l2_room;
	bool has_ranges;             /* of all L2 tables: the first pass is done */
	struct q2_clusters metadata; /* all but L2 tables */
	struct q2_clusters foreign; /* clusters of bitmaps that are something else, too */
	struct q2_walk_bitmap *bitmaps;
	struct q2_walk_bitmap directory;

	/* Refcounts as they are stored. */
	struct q2_refcounts refcounts;

	struct q2_tally guest[Q2_PROBLEMS - Q2_PROBLEM_FIRST_GUEST];
	struct q2_tally leaked;
	bool has_lost_data;
	uint64_t last_used; /* the highest cluster with a reference or a refcount */
	uint8_t *buf;       /* Q2_REFERENCES_READ_BYTES */
	uint64_t done_bytes, total_bytes;
};

#define Q2_REFERENCES_READ_BYTES ((size_t)2 << 20) /* at least the largest cluster */

static inline struct q2_tally *q2_references_guest(struct q2_walk *walk,
						   enum q2_problem_id id)
{
	return &walk->guest[id - Q2_PROBLEM_FIRST_GUEST];
}

/* Counts references of something that is no bitmap. */
static inline void q2_references_count(struct q2_walk *walk, uint64_t cluster,
				       unsigned times)
{
	uint64_t at = cluster - walk->first;
	if (at >= walk->window_clusters)
		return;
	unsigned value = walk->counts[at], others = value & Q2_REFERENCES_OTHERS;
	unsigned room = Q2_REFERENCES_OTHERS - others;
	walk->counts[at] = (uint16_t)(value + (times < room ? times : room));
}

/* A cluster of a window that no refcount block counts has the refcount 0: said in the first pass,
 * which is the only one that sees it. */
static inline void q2_references_expect(struct q2_walk *walk, uint64_t cluster,
					uint64_t off)
{
	uint64_t window = cluster >> walk->window_shift;
	if (walk->has_ranges || walk->is_quick ||
	    (window < walk->window_count && walk->has_window[window]))
		return;
	q2_tally_add(q2_references_guest(walk, Q2_PROBLEM_GUEST_REFCOUNT_LOW), off);
	walk->report->totals.corruptions++;
}

/* ---- references.c ---- */

/* Does the walk over windows of 1 << window_shift clusters (at least 8) and adds its findings.
 * Errors: ESYSTEM, ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_references_run(struct qcow2bm_report *report,
				    const struct q2_layout *layouts,
				    const struct qcow2bm_check_options *options,
				    unsigned window_shift, struct q2_watch *watch,
				    struct qcow2bm_error *err);

/* Adds the clusters of the header, refcount and mapping tables, those of snapshots included, of the
 * snapshot table and the encryption header to `areas`, as far as they can be located. Errors:
 * ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_references_collect(struct qcow2bm_image *image,
					struct q2_clusters *areas,
					struct qcow2bm_error *err);

/* Reads a range of which the end of the file may cut something off: that reads as zeros. */
enum qcow2bm_code q2_references_read(struct q2_walk *walk, void *buf, size_t bytes,
				     uint64_t off, struct qcow2bm_error *err);

/* A struct q2_faults for readers of structures: what they tell becomes findings. */
struct q2_faults q2_references_faults(struct q2_walk *walk);

/* To be called in every turn of a loop that reads. Errors: EINTERRUPTED. */
enum qcow2bm_code q2_references_ask(struct q2_walk *walk, struct qcow2bm_error *err);

/* ---- guest.c ---- */

/* Collects the places of L1 and L2 tables. */
enum qcow2bm_code q2_guest_collect(struct q2_walk *walk, struct qcow2bm_error *err);
bool q2_guest_is_l2(const struct q2_walk *walk, uint64_t cluster);

/* Counts what the L2 tables name in this window. In the first pass it looks at all of them. */
enum qcow2bm_code q2_guest_count(struct q2_walk *walk, struct qcow2bm_error *err);

/* Before the comparison: whether something else is where L2 tables of the window are. */
void q2_guest_check_places(struct q2_walk *walk);

/* After the comparison: whether flags that promise a refcount of 1 are right. */
enum qcow2bm_code q2_guest_check_copied(struct q2_walk *walk, struct qcow2bm_error *err);

/* ---- owners.c ---- */

/* Counts what is in the window besides L2 tables and data. */
enum qcow2bm_code q2_owners_count_structures(struct q2_walk *walk,
					     struct qcow2bm_error *err);

/* Counts the directory, tables and data of bitmaps in the window. */
enum qcow2bm_code q2_owners_count_bitmaps(struct q2_walk *walk,
					  struct qcow2bm_error *err);

/* After the comparison: whose are the clusters that bitmaps have wrongly? */
enum qcow2bm_code q2_owners_look_closely(struct q2_walk *walk, struct qcow2bm_error *err);

/* ---- stored.c ---- */

/* Loads the refcount table. What is wrong with it is a finding. */
enum qcow2bm_code q2_stored_load(struct q2_walk *walk, struct qcow2bm_error *err);

/* Whether a refcount block counts a cluster of the window that begins at `first`. */
bool q2_stored_has_window(const struct q2_walk *walk, uint64_t first);

/* Adds what is wrong with the places of refcount blocks in this window. */
void q2_stored_check_blocks(struct q2_walk *walk);

/* Compares the window's counts with the stored refcounts. */
enum qcow2bm_code q2_stored_compare(struct q2_walk *walk, struct qcow2bm_error *err);

/* Collects the clusters past the end of the file that are counted: in an image whose guest is
 * sound nothing but dropped bitmaps refers to them. */
enum qcow2bm_code q2_stored_find_behind(struct q2_walk *walk, struct qcow2bm_error *err);

/* Adds a cluster to a set, up to a limit. */
void q2_stored_keep(struct q2_walk *walk, struct q2_clusters *set, uint64_t cluster);

/* ---- findings.c ---- */

void q2_findings_add(struct q2_walk *walk);

/* Then, with what q2_lost_look() has found: */
void q2_findings_add_leaks(struct q2_walk *walk);

/* ---- lost.c ---- */

/* Sets, once it is known which bitmaps are to be dropped, walk->has_lost_data where a leaked cluster may be data that a bitmap has lost. */
enum qcow2bm_code q2_lost_look(struct q2_walk *walk, struct qcow2bm_error *err);

/* ---- dropped.c ---- */

/* What only bitmaps refer to that are to be dropped becomes free, whatever its refcount. */
enum qcow2bm_code q2_dropped_settle(struct q2_walk *walk, struct qcow2bm_error *err);

#endif
