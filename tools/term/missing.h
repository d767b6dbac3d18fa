/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said, always in the same words, of a bitmap or checkpoint that is not there. */
#ifndef TOOLS_TERM_MISSING_H
#define TOOLS_TERM_MISSING_H

#include <qcow2bm.h>

/* "bitmap 'chk-3' not found; is it 'chk-03'? all: qcow2bm list disk.qcow2". The name is as it was
 * typed. Returns TOOL_EXIT_FAILED. */
int tool_missing_bitmap(const char *filename, const struct qcow2bm_image *image,
			const char *name);

/* The same for a checkpoint of a disk. */
int tool_missing_checkpoint(const char *filename, const struct qcow2bm_chain *chain,
			    const char *name);

#endif
