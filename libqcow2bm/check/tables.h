/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of bitmaps: whether they are in their place, and what their entries say. */
#ifndef Q2_CHECK_TABLES_H
#define Q2_CHECK_TABLES_H

#include "check.h"

/* What is known of the table of a bitmap. */
struct q2_layout {
	bool is_read; /* the table has a place of its own: what it names counts */
	uint64_t lowest,
		highest; /* offsets of the data that it names; none: lowest is higher */
	bool has_room; /* an entry says that all bits of a cluster are the same, without data */
};

/* Adds the findings of tables, their entries and bits past the end of the disk; layouts has one
 * element for each bitmap. Errors: ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_check_tables(struct qcow2bm_report *report,
				  struct q2_layout *layouts, struct qcow2bm_error *err);

#endif
