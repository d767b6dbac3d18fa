/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the name of a bitmap tells of it. */
#ifndef Q2_FORMAT_NAME_H
#define Q2_FORMAT_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the name is one that libvirt gives to a bitmap for the time of a job: libvirt-tmp-*, and
 * backup-TARGET, TARGET a disk of the guest, as vda or sdb. What backup programs call theirs for
 * good, as backup-1711586400 or backup-weekly, is none. */
bool q2_name_is_temporary(const uint8_t *name, size_t bytes);

#endif
