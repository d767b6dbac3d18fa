/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QMP input: a stream of commands, or one list of actions, read whole before anything is done. */
#ifndef TOOLS_QMP_SCRIPT_H
#define TOOLS_QMP_SCRIPT_H

#include "action.h"

#define TOOL_QMP_MAX_BYTES ((size_t)8 << 20)

/* Its actions happen together in QEMU: what one of them removes is not gone until all are done. */
struct tool_qmp_command {
	const json_t *id; /* to be given back; NULL: none */
	bool is_transaction;
	struct tool_qmp_action *actions;
	size_t action_count;
};

struct tool_qmp_script {
	json_t *documents; /* own all text */
	struct tool_qmp_command *commands;
	size_t count;
};

/* Reads the input strictly: no member twice, none that is unknown, nothing that has no meaning on
 * images that no QEMU has open. The script is to be freed in any case. */
bool tool_qmp_parse(struct tool_qmp_script *script, const char *bytes, size_t count,
		    struct tool_qmp_fault *fault);
void tool_qmp_free(struct tool_qmp_script *script);

#endif
