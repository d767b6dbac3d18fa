/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Structs that a caller fills, who may have been built with an older or a newer header. */
#ifndef Q2_BASE_OPTIONS_H
#define Q2_BASE_OPTIONS_H

#include "../qcow2bm.h"

/*
 * Copies to `ours`, which is ours_bytes long and holds the defaults, what the caller gave: a struct
 * that begins with its size. NULL gives nothing. A shorter one, of an older header, leaves the
 * defaults behind its end; of a longer one the end must be zeros. Errors: EINVAL otherwise, and
 * for a size that is none; `what` names the struct.
 */
enum qcow2bm_code q2_options_take(void *ours, size_t ours_bytes, const void *theirs,
				  const char *what, struct qcow2bm_error *err);

/* Refuses flags that are not `known`: their meaning is a later library's. Errors: EINVAL; `what` is
 * the call. */
enum qcow2bm_code q2_options_check(unsigned flags, unsigned known, const char *what,
				   struct qcow2bm_error *err);

#endif
