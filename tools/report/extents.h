/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extents as nbdinfo prints them, and sums of them. */
#ifndef TOOLS_REPORT_EXTENTS_H
#define TOOLS_REPORT_EXTENTS_H

#include <qcow2bm.h>

/* Calls `fn` for the extents that are to be printed, each time the same ones. */
typedef enum qcow2bm_code tool_extents_read_fn(void *opaque, qcow2bm_extent_fn *fn,
					       void *fn_opaque,
					       const struct qcow2bm_watch *watch,
					       struct qcow2bm_error *err);

/* Counts the bytes of them that are dirty, and all of them, by a look at the bits, which finds whether
 * they can be read as well. */
typedef enum qcow2bm_code tool_extents_count_fn(void *opaque, uint64_t *dirty_bytes,
						uint64_t *all_bytes,
						const struct qcow2bm_watch *watch,
						struct qcow2bm_error *err);

/* Whether the disk is known to read as zeros from `start` on; *length, so far as it is asked for, becomes
 * shorter where that changes. */
typedef enum qcow2bm_code tool_extents_zero_fn(void *opaque, uint64_t start,
					       uint64_t *length, bool *is_zero,
					       const struct qcow2bm_watch *watch,
					       struct qcow2bm_error *err);

struct tool_watch;

/* What is printed, and how. */
struct tool_extents_order {
	tool_extents_read_fn *read;
	tool_extents_count_fn *count; /* NULL: all extents are made to count them */
	tool_extents_zero_fn *zero;   /* NULL: that is of no interest */
	void *opaque;                 /* of them */
	bool is_comparison; /* extents are the same or differ, and not clean or dirty */
	bool json;
	bool totals;
	/* It has begun. A signal is heard until the first byte is printed, and ends the program then. */
	struct tool_watch *watch;
};

/* Prints the dirty extents for people, or all of them as `nbdinfo --map --json` does; with `totals`
 * how much is clean and how much dirty, as `nbdinfo --map --totals`. Types are 0 clean, 1 dirty; with
 * `zero` 2 clean and zero, 3 dirty and zero. Returns an exit status. */
int tool_extents_print(const struct tool_extents_order *order, const char *filename);

#endif
