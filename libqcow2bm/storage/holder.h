/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who else has a file open: OFD locks do not say, /proc does. */
#ifndef Q2_STORAGE_HOLDER_H
#define Q2_STORAGE_HOLDER_H

#include <stdbool.h>
#include <stddef.h>

/* Writes "NAME (pid N)" of a process other than this one that holds an OFD lock on the file of
 * `fd`, as far as /proc shows it; false when none is seen. */
bool q2_holder_find(int fd, char *text, size_t bytes);

/*
 * The same for a process that has the block device of `fd` open for writing by another node of it, such
 * as libvirt makes in the mount namespace of each QEMU: locks belong to a node's inode, and those there
 * cannot be seen here. False, at once, for anything but a block device.
 */
bool q2_holder_find_other_node(int fd, char *text, size_t bytes);

#endif
