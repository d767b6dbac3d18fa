/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a libvirt daemon runs that has a folder of checkpoints in memory. */
#ifndef TOOLS_LIBVIRT_DAEMON_H
#define TOOLS_LIBVIRT_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * libvirt locks its pid file as long as it runs; where that file is, the folder's own place tells:
 * PREFIX/var/lib/libvirt/qemu/checkpoint/NAME is that of a system daemon, and so on. What a killed daemon
 * left is not locked. *pid is the process, 0 when it is in another namespace. Of a folder elsewhere there is
 * none.
 */
bool tool_daemon_is_running(const char *folder, pid_t *pid);

#endif
