/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loading a bitmap directory that may be damaged. */
#ifndef Q2_IMAGE_SALVAGE_H
#define Q2_IMAGE_SALVAGE_H

#include "image.h"

/* Loads what can be located of a damaged directory, and notes the damage. Errors: ESYSTEM,
 * ENOMEM. */
enum qcow2bm_code q2_salvage_load(struct qcow2bm_image *image, struct qcow2bm_error *err);

#endif
