/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libqcow2bm: persistent dirty bitmaps in qcow2 images that no QEMU has open.
 *
 * Fallible functions return QCOW2BM_OK (0) or another enum qcow2bm_code, and describe the
 * failure in *err, which the caller owns and which may be NULL. The library never prints,
 * never exits, keeps no global state and reads no environment. One image, with its edits,
 * belongs to one thread at a time; different images are independent.
 *
 * Pointers that the library gives out are its own, and no longer good than is said beside them.
 * What an edit, a merge's source or a report knows of an image holds until the next commit that
 * changes it, or until it is closed; used later, they are refused with EINVAL ("the edit was
 * staged before the last commit of the image"), and are still to be given back
 * (qcow2bm_edit_end(), qcow2bm_report_free()).
 */
#ifndef QCOW2BM_H
#define QCOW2BM_H

#include "qcow2bm/bitmap.h"
#include "qcow2bm/carve.h"
#include "qcow2bm/chain.h"
#include "qcow2bm/check.h"
#include "qcow2bm/edit.h"
#include "qcow2bm/error.h"
#include "qcow2bm/image.h"
#include "qcow2bm/undo.h"
#include "qcow2bm/watch.h"

#endif
