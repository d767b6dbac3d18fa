/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When an open file was last changed, where its file system tells that for certain. */
#ifndef Q2_STORAGE_STAMP_H
#define Q2_STORAGE_STAMP_H

#include "storage.h"

/* `settle`: waits until a write from now on gets other times than those that are told: file
 * systems count them in ticks of up to 10 ms. */
void q2_stamp_take(int fd, bool settle, struct q2_stamp *stamp);

/* Whether nothing has written to the file between the two. */
bool q2_stamp_is_same(const struct q2_stamp *a, const struct q2_stamp *b);

#endif
