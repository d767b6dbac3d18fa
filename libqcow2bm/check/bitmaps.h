/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The clusters of bitmaps and of their directory, and whose they are, too. */
#ifndef Q2_CHECK_BITMAPS_H
#define Q2_CHECK_BITMAPS_H

#include "structures.h"
#include "tables.h"

/* What is seen of a bitmap, cluster by cluster. */
struct q2_check_bitmap {
	struct q2_tally metadata, guest, bitmaps, low, high;
	uint64_t shared_cluster; /* the first that several bitmap entries name */
	unsigned shared_hits;    /* how many of them are this bitmap's */
};

struct q2_check_bitmaps {
	struct q2_survey *survey;
	const struct q2_check_structures *structures;
	const struct q2_layout *layouts; /* one for each bitmap, and so below */
	struct q2_check_bitmap *bitmaps;
	struct q2_check_bitmap directory;
	struct q2_clusters foreign; /* clusters of theirs that are something else, too */
};

/* Counts the directory, tables and data of bitmaps in the window. Errors: ESYSTEM, ENOMEM,
 * EINTERRUPTED. */
enum qcow2bm_code q2_check_bitmaps_count(struct q2_check_bitmaps *bitmaps,
					 struct qcow2bm_error *err);

/* After the comparison: whose are the clusters that bitmaps have wrongly? Errors: the same. */
enum qcow2bm_code q2_check_bitmaps_look_closely(struct q2_check_bitmaps *bitmaps,
						struct qcow2bm_error *err);

#endif
