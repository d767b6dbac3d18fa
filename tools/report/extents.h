/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extents as nbdinfo prints them, and sums of them. */
#ifndef TOOLS_REPORT_EXTENTS_H
#define TOOLS_REPORT_EXTENTS_H

#include <qcow2bm.h>

/* Calls `fn` for the extents that are to be printed, each time the same ones. */
typedef enum qcow2bm_code tool_extents_read_fn(void *opaque, qcow2bm_extent_fn *fn,
					       void *fn_opaque,
					       struct qcow2bm_error *err);

/* Counts the bytes of them that are dirty, and all of them, by a look at the bits, which finds whether
 * they can be read as well. */
typedef enum qcow2bm_code tool_extents_count_fn(void *opaque, uint64_t *dirty_bytes,
						uint64_t *all_bytes,
						struct qcow2bm_error *err);

/* Prints the dirty extents for people, or all of them as `nbdinfo --map --json` does; with `totals`
 * how much is clean and how much dirty, as `nbdinfo --map --totals`. `count` may be NULL:
 * then all extents are made to count them. Returns an exit status. */
int tool_extents_print(tool_extents_read_fn *read, tool_extents_count_fn *count,
		       void *opaque, const char *filename, bool json, bool totals);

#endif
