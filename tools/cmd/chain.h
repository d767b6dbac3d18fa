/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands behind `qcow2bm chain`. */
#ifndef TOOLS_CMD_CHAIN_H
#define TOOLS_CMD_CHAIN_H

#include "../term/command.h"

extern const struct tool_command tool_chain_show;
extern const struct tool_command tool_chain_since;
extern const struct tool_command tool_chain_verify;
extern const struct tool_command tool_chain_delete;
extern const struct tool_command tool_chain_keep;
extern const struct tool_command tool_chain_rename;
extern const struct tool_command tool_chain_convert;
extern const struct tool_command tool_chain_reset;
extern const struct tool_command tool_chain_snapshot;
extern const struct tool_command tool_chain_export;
extern const struct tool_command tool_chain_prune;
extern const struct tool_command tool_chain_resume;
extern const struct tool_command tool_chain_restored;
extern const struct tool_command tool_chain_repair;
extern const struct tool_command tool_chain_commit;
extern const struct tool_command tool_chain_rebase;

#endif
