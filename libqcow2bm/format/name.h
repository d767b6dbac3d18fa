/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the name of a bitmap tells of it. */
#ifndef Q2_FORMAT_NAME_H
#define Q2_FORMAT_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Behind it stands the name of the bitmap that is copied while a rebase writes to the image. */
#define Q2_NAME_REBASE "qcow2bm-rebase-"
/* Behind it stands a number; in two layers the same, while the upper one has the bits of the lower. */
#define Q2_NAME_COMMIT "qcow2bm-commit-"

/* Whether the name is one that libvirt gives to a bitmap for the time of a job: libvirt-tmp-*, and
 * backup-TARGET, TARGET a disk of the guest, as vda or sdb. What backup programs call theirs for good, as
 * backup-1711586400 or backup-weekly, is none. */
bool q2_name_is_temporary(const uint8_t *name, size_t bytes);

/* Whether it is one that we give for the time of a chain command, as above. */
bool q2_name_is_own(const uint8_t *name, size_t bytes);

/* One of these: no checkpoint's name. */
bool q2_name_is_of_job(const uint8_t *name, size_t bytes);

/* Whether the name begins so; then *rest, *rest_bytes is what stands behind. */
bool q2_name_begins(const uint8_t *name, size_t bytes, const char *prefix,
		    const uint8_t **rest, size_t *rest_bytes);

#endif
