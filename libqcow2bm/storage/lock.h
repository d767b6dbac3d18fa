/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's image locks: Linux OFD read locks on single bytes of the file. */
#ifndef Q2_STORAGE_LOCK_H
#define Q2_STORAGE_LOCK_H

#include "storage.h"

enum q2_lock_role { Q2_LOCK_EDIT, Q2_LOCK_READ };

/*
 * Takes the locks of `role` on the open descriptor, then looks for conflicting ones; on a
 * conflict the locks are given back. To edit, nobody must have a block device open for writing by
 * another node of it either. EBUSY names the holder where it can be found;
 * EUNSUPPORTED when the file system has no OFD locks.
 */
enum qcow2bm_code q2_lock_take(int fd, enum q2_lock_role role, struct qcow2bm_error *err);

/* Gives all of them back, whoever took them on this open file. */
void q2_lock_give_back(int fd);

/* Whether another descriptor holds QEMU's write permission, or only that of consistent reads: so
 * does the source of a migration that is done, or a target that waits for one, and so does a
 * reader, which nobody can tell from it. Takes nothing. */
enum q2_writer q2_lock_find_writer(int fd);

#endif
