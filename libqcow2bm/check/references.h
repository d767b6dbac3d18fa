/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reference walk: who refers to which cluster of the file. */
#ifndef Q2_CHECK_REFERENCES_H
#define Q2_CHECK_REFERENCES_H

#include "../base/watch.h"
#include "check.h"
#include "tables.h"

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

#endif
