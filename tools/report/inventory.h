/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All bitmaps of an image with what was measured of them: what list and info report. */
#ifndef TOOLS_REPORT_INVENTORY_H
#define TOOLS_REPORT_INVENTORY_H

#include "selection.h"
#include "sketch.h"

#include <qcow2bm.h>

struct tool_inventory_bitmap {
	struct qcow2bm_bitmap entry;
	char *problem; /* why the bits must not be trusted, or NULL */
	bool measured;
	struct qcow2bm_measure measure;
	struct tool_sketch sketch; /* where it was asked for, of what was measured */
};

struct tool_inventory {
	struct tool_inventory_bitmap *bitmaps;
	size_t count;
	size_t image_count; /* with those that are not selected */
	bool bits_counted;
	bool has_sketches;
};

/* What is asked of the bitmaps. */
struct tool_inventory_order {
	bool count_bits;                        /* read their data, too */
	bool sketch;                            /* and tell where they are set */
	const struct tool_selection *selection; /* NULL: all are wanted */
};

/* Measures the bitmaps of `image` that are selected. One that breaks the format is reported as such
 * and is no failure. Of those whose names do not match only the entry is read. The watch may be NULL. */
enum qcow2bm_code tool_inventory_take(struct tool_inventory *survey,
				      struct qcow2bm_image *image,
				      const struct tool_inventory_order *order,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err);
void tool_inventory_free(struct tool_inventory *survey);

/* The same for one bitmap; its problem is to be freed in any case. */
enum qcow2bm_code tool_inventory_take_one(struct tool_inventory_bitmap *bitmap,
					  struct qcow2bm_image *image, size_t idx,
					  const struct tool_inventory_order *order,
					  const struct qcow2bm_watch *watch,
					  struct qcow2bm_error *err);

#endif
