/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether one state of an image stays right while the guest writes to it in the other state. */
#ifndef Q2_EDIT_LASTING_H
#define Q2_EDIT_LASTING_H

#include "edit.h"

/*
 * A switch that was cut off is done, or undone, later. Nobody can tell then whether the guest has
 * written meanwhile, if all that it wrote was dirty already in every bitmap that was recording: the
 * bits are the same. The other state must not miss such a write.
 *
 * Forward: each bitmap that records in the new state has the bits of one that records in the old one.
 * Back: each bitmap that records in the old state has the bits of one that records in the new one; of
 * those it is only known when that is a new one without bits, or the bitmap itself.
 */
bool q2_lasting_forward(const struct qcow2bm_edit *edit);
bool q2_lasting_back(const struct qcow2bm_edit *edit);

#endif
