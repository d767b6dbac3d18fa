/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leaked clusters that have one explanation: whose they were is known. */
#ifndef Q2_CHECK_EXPLAINED_H
#define Q2_CHECK_EXPLAINED_H

#include "../storage/holes.h"
#include "bitmaps.h"

/* To be made with its bitmaps, all else zero. */
struct q2_explained {
	const struct q2_check_bitmaps *bitmaps;
	struct q2_clusters
		rest; /* of the leaked clusters: those without an explanation */
	struct q2_clusters claimed; /* tables and data of bitmaps that are to stay */
	struct q2_clusters singles; /* those of the tables that have one entry */
	struct q2_clusters
		known;       /* what is explained, and not taken out of the rest yet */
	uint64_t read_bytes; /* of tables, since that was done */
	struct q2_holes holes;
};

/* Says that this bitmap is to stay. Errors: ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_explained_claim(struct q2_explained *explained, size_t idx,
				     struct qcow2bm_error *err);

/* Finds the rest of report->leaked, which is sorted; sorts claimed. Errors: ESYSTEM, ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_explained_find(struct q2_explained *explained,
				    struct qcow2bm_error *err);
void q2_explained_free(struct q2_explained *explained);

#endif
