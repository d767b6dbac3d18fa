/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a header carries that nobody here knows. */
#ifndef Q2_IMAGE_UNKNOWN_H
#define Q2_IMAGE_UNKNOWN_H

#include "image.h"

/* Whether it is the type of a header extension that has a meaning here. */
bool q2_unknown_is_known(uint32_t type);

/* Whether the header has an extension, a compatible or autoclear feature bit or a field that
 * nobody here knows: it may own clusters that nothing else refers to. */
bool q2_unknown_may_own(const struct qcow2bm_image *image);

#endif
