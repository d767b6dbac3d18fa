/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libqcow2bm: persistent dirty bitmaps in qcow2 images that no QEMU has open.
 *
 * Fallible functions return QCOW2BM_OK (0) or another enum qcow2bm_code, and describe the
 * failure in *err, which the caller owns and which may be NULL. The library never prints,
 * never exits, keeps no global state and reads no environment.
 *
 * Threads: one image, with its edits and reports, belongs to one thread at a time, and so
 * does another image that a merge reads while it is planned or committed. Different
 * images are independent, also two opened from one file. Functions of no image are free
 * for all threads. A call may use several threads of its own; what the caller gave it to
 * be called back is called by the thread that made the call.
 *
 * It grows without a new soname, for a program that was built with an older header:
 * - What the library gives out it owns: structs come as const pointers, and live, names
 *   and strings included, until what is said beside the function. Members are added at
 *   the end, so their size is nothing to build on.
 * - What the caller gives is a struct that begins with its size, filled by its ..._INIT
 *   macro: a shorter one, of an older header, leaves the defaults; one of a newer header
 *   is refused with EINVAL where it asks for what this library does not know, and so are
 *   unknown flags.
 * - Enums get new values at their end: what a program does not know it treats as the most
 *   cautious one that it does, and names by qcow2bm_state_name() and its like.
 * One rule for all that is given out, since nobody can forget to fill in what he is
 * given: a size that is left out would let the library write over the caller's memory.
 *
 * What an edit, a merge's source or a report knows of an image holds until the next
 * commit that changes it, or until it is closed; used later, they are refused with EINVAL
 * ("the edit was staged before the last commit of the image"), and are still to be given
 * back (qcow2bm_edit_end(), qcow2bm_report_free()).
 */
#ifndef QCOW2BM_H
#define QCOW2BM_H

#include "qcow2bm/bitmap.h"
#include "qcow2bm/carve.h"
#include "qcow2bm/chain.h"
#include "qcow2bm/check.h"
#include "qcow2bm/differ.h"
#include "qcow2bm/digest.h"
#include "qcow2bm/edit.h"
#include "qcow2bm/error.h"
#include "qcow2bm/guest.h"
#include "qcow2bm/image.h"
#include "qcow2bm/together.h"
#include "qcow2bm/undo.h"
#include "qcow2bm/verify.h"
#include "qcow2bm/watch.h"

#endif
