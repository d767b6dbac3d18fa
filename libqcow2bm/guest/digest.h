/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making the manifest of a disk, in one pass over it. */
#ifndef Q2_GUEST_DIGEST_H
#define Q2_GUEST_DIGEST_H

#include "../base/watch.h"
#include "disk.h"
#include "manifest.h"

/* Where its bytes go. Errors: whatever stops the pass. */
typedef enum qcow2bm_code q2_digest_fn(void *opaque, const uint8_t *bytes, size_t count,
				       struct qcow2bm_error *err);

/* Reads the disk once and gives its manifest out. `header` says hash, granularity, dates, flags and how
 * many names there are; the disk's size is set here. Errors: those of reading and of fn; EINVAL for
 * names that are too many; ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_digest_make(struct qcow2bm_disk *disk,
				 struct q2_manifest_header *header,
				 const struct q2_manifest_name *names, q2_digest_fn *fn,
				 void *opaque, struct q2_watch *watch,
				 struct qcow2bm_error *err);

#endif
