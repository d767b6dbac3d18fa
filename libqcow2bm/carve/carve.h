/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Old bitmaps in clusters that nothing uses: looking for their entries, judging what is left. */
#ifndef Q2_CARVE_CARVE_H
#define Q2_CARVE_CARVE_H

#include "../check/check.h"
#include "../clusters/refcounts.h"

/* ---- carve.c ---- */

#define Q2_CARVE_WINDOW_SHIFT \
	20 /* log2 of clusters whose free ones are in memory together */

/* qcow2bm_image_carve() over windows of 1 << window_shift clusters, so that a test need not have a large
 * image. */
enum qcow2bm_code q2_carve_run(struct qcow2bm_image *image,
			       const struct qcow2bm_report *report, unsigned window_shift,
			       qcow2bm_carve_fn *fn, void *opaque,
			       struct qcow2bm_error *err);

/* Calls fn for the entry that q2_carve_run() shows as number `idx` of the directory at
 * directory_off, and reads no more than it takes. Errors: ENOTFOUND; as q2_carve_run(). */
enum qcow2bm_code q2_carve_find(struct qcow2bm_image *image,
				const struct qcow2bm_report *report,
				uint64_t directory_off, uint32_t idx,
				qcow2bm_carve_fn *fn, void *opaque,
				struct qcow2bm_error *err);

/* ---- remains.c ---- */

#define Q2_REMAINS_KNOWN 1024

struct q2_remains {
	struct qcow2bm_image *image;
	const struct qcow2bm_report *report;
	struct q2_refcounts refcounts;
	uint64_t budget_bytes; /* of tables and data that are still read */
	uint64_t *table;
	uint8_t *buf;
	/* What was found of a table: old directories name the same ones again and again. */
	struct q2_remains_known {
		uint64_t table_off;
		uint32_t table_entries; /* 0: nothing is known here */
		unsigned granularity_bits;
		enum qcow2bm_carved_state state;
		uint64_t data_clusters;
	} known[Q2_REMAINS_KNOWN];
};

/* *remains was zeroed. Errors: EIMAGE, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_remains_open(struct q2_remains *remains, struct qcow2bm_image *image,
				  const struct qcow2bm_report *report,
				  struct qcow2bm_error *err);
void q2_remains_close(struct q2_remains *remains);

/* Fills carved->state and carved->data_clusters. Errors: EIMAGE, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_remains_judge(struct q2_remains *remains,
				   struct qcow2bm_carved *carved,
				   struct qcow2bm_error *err);

#endif
