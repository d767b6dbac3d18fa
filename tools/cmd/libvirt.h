/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands behind `qcow2bm libvirt`. */
#ifndef TOOLS_CMD_LIBVIRT_H
#define TOOLS_CMD_LIBVIRT_H

#include "../term/command.h"

extern const struct tool_command tool_libvirt_check;
extern const struct tool_command tool_libvirt_adopt;
extern const struct tool_command tool_libvirt_delete;
extern const struct tool_command tool_libvirt_repair;
extern const struct tool_command tool_libvirt_verdict;

#endif
