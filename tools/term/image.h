/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one way in which the program opens images, and checks one while somebody looks on. */
#ifndef TOOLS_TERM_IMAGE_H
#define TOOLS_TERM_IMAGE_H

#include "options.h"

/* Opens as the options say, with `flags` (QCOW2BM_OPEN_...) besides, and a warning when the image
 * may be changing. */
enum qcow2bm_code tool_image_try_open(const struct tool_options *options,
				      const char *filename, unsigned flags,
				      struct qcow2bm_image **image,
				      struct qcow2bm_error *err);

/* The same; prints what fails, and returns an exit status. */
int tool_image_open(const struct tool_options *options, const char *filename,
		    unsigned flags, struct qcow2bm_image **image);

/* Of an image that is busy: adds that it can be read all the same, where the command has an option
 * for that. */
void tool_image_add_way_out(const struct tool_options *options,
			    struct qcow2bm_error *err);

/*
 * Checks with `flags` (QCOW2BM_CHECK_...), with progress. *signal_number is that of the signal that
 * came meanwhile, or 0: after it the check fails with EINTERRUPTED, or was finished already, and
 * the program is to end soon, for all signals stay put off.
 */
enum qcow2bm_code tool_image_check(const struct tool_options *options,
				   struct qcow2bm_image *image, unsigned flags,
				   struct qcow2bm_report **report, int *signal_number,
				   struct qcow2bm_error *err);

#endif
