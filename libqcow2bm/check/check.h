/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a check found: problems, a verdict for each bitmap, refcounts that are wrong. */
#ifndef Q2_CHECK_CHECK_H
#define Q2_CHECK_CHECK_H

#include "../clusters/clusters.h"
#include "../image/generation.h"
#include "../image/image.h"

enum q2_verdict {
	Q2_VERDICT_KEEP,
	Q2_VERDICT_DROP /* damaged: nobody can use its bits */
};

struct q2_finding {
	enum q2_problem_id id;
	struct qcow2bm_problem problem; /* its sentence is one of the report's */
};

struct qcow2bm_report {
	struct qcow2bm_image *image;
	struct q2_generation *generation; /* of the image, when it was checked */
	struct q2_finding *findings;      /* sorted at the end */
	size_t count;
	size_t room;
	char **sentences; /* those of many findings are the same */
	size_t sentence_count, sentence_room;
	bool has_lost_findings; /* memory was wanting for one */
	struct qcow2bm_totals totals;
	enum q2_verdict *verdicts; /* one for each of image->directory.bitmaps */
	/* Of the whole walk; sorted. Clusters of bitmaps that are kept: */
	struct q2_clusters low;    /* refcount 0, and no one else's: raise to 1 */
	struct q2_clusters high;   /* refcount over 1, but referred to once: lower to 1 */
	struct q2_clusters leaked; /* counted, and nothing refers to them */
	struct q2_clusters dropped; /* what nothing but dropped bitmaps refers to */
	struct q2_clusters
		counted_past_end; /* counted, too, but past the end: leaks once it grows */
	bool is_partial;     /* there is more in these sets than was kept: repair again */
	bool guest_is_sound; /* nothing is wrong outside the bitmaps: leaks may be freed */
	bool has_unknown_owner; /* what nobody here knows may refer to clusters, too */
	size_t unfit_tables;    /* sound but for this: they do not fit the disk */
};

/* qcow2bm_image_check() over windows of 1 << window_shift clusters, at least 8: so that a test need not
 * have a large image. */
enum qcow2bm_code q2_check_run(struct qcow2bm_image *image,
			       const struct qcow2bm_check_options *options,
			       unsigned window_shift, struct qcow2bm_report **report,
			       const struct qcow2bm_watch *watch,
			       struct qcow2bm_error *err);

/* Whether the report is about this image, and as it is now. Errors: EINVAL. */
enum qcow2bm_code q2_check_is_about(const struct qcow2bm_report *report,
				    const struct qcow2bm_image *image,
				    struct qcow2bm_error *err);

#endif
