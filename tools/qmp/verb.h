/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QMP's commands and actions are called, and which of them can be done offline. */
#ifndef TOOLS_QMP_VERB_H
#define TOOLS_QMP_VERB_H

#include <stdbool.h>

enum tool_qmp_verb {
	TOOL_QMP_ADD,
	TOOL_QMP_REMOVE,
	TOOL_QMP_CLEAR,
	TOOL_QMP_ENABLE,
	TOOL_QMP_DISABLE,
	TOOL_QMP_MERGE,
	TOOL_QMP_MERGE_ONE, /* the older form, of one source */
	TOOL_QMP_VERBS
};

/* What an action does; TOOL_QMP_VERBS when it cannot be done here. */
enum tool_qmp_verb tool_qmp_find_verb(const char *type);

/* Whether QEMU has it, for a machine that runs. */
bool tool_qmp_is_online(const char *type);

#endif
