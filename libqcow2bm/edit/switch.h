/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the header says which directory is the image's, and the one write of one sector that says
 * otherwise. */
#ifndef Q2_EDIT_SWITCH_H
#define Q2_EDIT_SWITCH_H

#include "../format/extension.h"
#include "../image/image.h"

#define Q2_SWITCH_MAX_BYTES 512 /* what a disk writes whole: one sector */

struct q2_switch {
	/* Written and synced before: nobody sees it yet. */
	uint8_t *far_bytes;
	size_t far_count;
	uint64_t far_off;
	uint64_t backing_off; /* where the backing file name moves to; 0: it stays */
	/* Then, on its own, what makes the extension visible, unless the switch itself does. */
	uint8_t near_bytes[8];
	uint64_t near_off;
	bool has_near;
	bool near_written;
	/* The switch. */
	uint8_t bytes[Q2_SWITCH_MAX_BYTES];
	size_t count;
	uint64_t off;
	/* After it, unless the switch itself does: only tidiness. */
	uint8_t after_bytes[8];
	uint64_t after_off;
	bool has_after;
};

/*
 * Fills the zeroed *plan with what switches the header that `image` has over to the extension `to`,
 * or, where that is NULL, to no bitmaps. The name of the backing file may be in the way: that is
 * left to q2_switch_plan(). Pure. Errors: EUNSUPPORTED when the header cluster has no room; ENOMEM.
 */
enum qcow2bm_code q2_switch_form(struct q2_switch *plan,
				 const struct qcow2bm_image *image,
				 const struct q2_bitmaps_extension *to,
				 struct qcow2bm_error *err);

#endif
