/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* L1 tables of the disk and of its snapshots: which L2 tables they name. */
#ifndef Q2_CLUSTERS_L1_H
#define Q2_CLUSTERS_L1_H

#include "../base/watch.h"
#include "../image/image.h"
#include "../storage/holes.h"
#include "faults.h"

#define Q2_L1_ENTRY_BYTES 8

struct q2_l1_table {
	uint64_t off;
	uint32_t entries;
	uint32_t times; /* of the disk and its snapshots, how many have it */
	bool is_active; /* the disk has it */
};

/* All zero: none. */
struct q2_l1_list {
	struct q2_l1_table *tables;
	size_t count;
};

/* The tables as the header and the snapshot table name them, the disk's first, wherever that may
 * be. Errors: EIMAGE, ESYSTEM, ENOMEM; the list is to be freed all the same. */
enum qcow2bm_code q2_l1_collect(struct q2_l1_list *list, struct qcow2bm_image *image,
				const struct q2_faults *faults,
				struct qcow2bm_error *err);

/* Orders them by place, joins those that are the same, and drops the empty and those that cannot be
 * read. Sound tables never overlap: what is left is, together, no longer than the file, so that a
 * hostile image cannot keep its reader busy for ever. Errors: EIMAGE. */
enum qcow2bm_code q2_l1_sift(struct q2_l1_list *list, const struct qcow2bm_image *image,
			     const struct q2_faults *faults, struct qcow2bm_error *err);
void q2_l1_free(struct q2_l1_list *list);

/* An L1 entry that names an L2 table where one can be. */
struct q2_l1_entry {
	uint64_t idx;    /* in its table: which part of the disk */
	uint64_t off;    /* of the entry in the file */
	uint64_t l2_off; /* a multiple of the cluster size, inside the file */
	bool is_copied;  /* it promises that the L2 table's refcount is 1 */
};
typedef enum qcow2bm_code q2_l1_fn(void *opaque, const struct q2_l1_table *table,
				   const struct q2_l1_entry *entry,
				   struct qcow2bm_error *err);

/* Calls fn for each entry of a table that lies inside the file. Holes are not read. Errors: EIMAGE,
 * ESYSTEM, ENOMEM, EINTERRUPTED, those of fn. */
enum qcow2bm_code q2_l1_read(struct qcow2bm_image *image, const struct q2_l1_table *table,
			     struct q2_watch *watch, const struct q2_faults *faults,
			     q2_l1_fn *fn, void *opaque, struct qcow2bm_error *err);

#endif
