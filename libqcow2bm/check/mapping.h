/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's part of the reference walk: L1 and L2 tables of the disk and its snapshots. */
#ifndef Q2_CHECK_MAPPING_H
#define Q2_CHECK_MAPPING_H

#include "../clusters/l1.h"
#include "survey.h"

/* An L2 table, with what is known of the clusters that its entries name. */
struct q2_check_l2 {
	uint64_t cluster;
	uint32_t lowest, highest; /* windows; none: lowest is higher */
	uint16_t times;           /* entries of L1 tables that name it */
	bool is_active;           /* one of them is the active disk's ... */
	bool is_copied;           /* ... and has its flag set: refcount is 1 */
};

struct q2_check_mapping {
	struct q2_survey *survey;
	struct q2_l1_list l1;
	struct q2_check_l2 *tables; /* sorted by place */
	size_t count, room;
};

/* Collects the places of L1 and L2 tables. Errors: ESYSTEM, ENOMEM, EINTERRUPTED; to be freed all
 * the same. */
enum qcow2bm_code q2_check_mapping_collect(struct q2_check_mapping *mapping,
					   struct q2_survey *survey,
					   struct qcow2bm_error *err);
void q2_check_mapping_free(struct q2_check_mapping *mapping);

bool q2_check_mapping_is_l2(const struct q2_check_mapping *mapping, uint64_t cluster);

/* Counts the L2 tables and what they name in this window. In the first pass it looks at all. */
enum qcow2bm_code q2_check_mapping_count(struct q2_check_mapping *mapping,
					 struct qcow2bm_error *err);

/* Before the comparison: whether something else is where L2 tables of the window are. */
void q2_check_mapping_look_at_places(const struct q2_check_mapping *mapping);

/* After the comparison: whether flags that promise a refcount of 1 are right. */
enum qcow2bm_code q2_check_mapping_look_at_flags(struct q2_check_mapping *mapping,
						 struct qcow2bm_error *err);

#endif
