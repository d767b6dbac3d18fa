/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an image itself tells against the promises of a recovered bitmap: traces of what was done
 * in the session that crashed, or since. */
#ifndef Q2_BITMAP_TRACES_H
#define Q2_BITMAP_TRACES_H

#include "../edit/edit.h"

/* Compares the stored bits of every bitmap that is in-use with what the active layer holds, once
 * for the edit: edit->layer, and fills_disk of the staged bitmaps. Errors: EIMAGE when the L1 or
 * L2 tables cannot be read, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_traces_judge_layer(struct qcow2bm_edit *edit,
					struct qcow2bm_error *err);

/* Looks at names and flags for traces of bitmaps that a running QEMU changed, once for the edit:
 * edit->qmp. */
void q2_traces_judge_names(struct qcow2bm_edit *edit);

#endif
