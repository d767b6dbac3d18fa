/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All bitmaps of an image with what was measured of them: what list and info report. */
#ifndef TOOLS_REPORT_INVENTORY_H
#define TOOLS_REPORT_INVENTORY_H

#include <qcow2bm.h>

struct tool_inventory_bitmap {
	struct qcow2bm_bitmap entry;
	char *problem; /* why the bits must not be trusted, or NULL */
	bool measured;
	struct qcow2bm_measure measure;
};

struct tool_inventory {
	struct tool_inventory_bitmap *bitmaps;
	size_t count;
	bool bits_counted;
};

/* Measures every bitmap of `image`, dirty bits only when `count_bits`. One that breaks the format
 * is reported as such and is no failure. The watch may be NULL. */
enum qcow2bm_code tool_inventory_take(struct tool_inventory *survey,
				      struct qcow2bm_image *image, bool count_bits,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err);
void tool_inventory_free(struct tool_inventory *survey);

#endif
