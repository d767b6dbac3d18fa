/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QMP's commands and actions are called, and which of them can be done offline. */
#include "verb.h"

#include <stddef.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* QEMU 3 has those of x- and 4 the last of them; Virtuozzo's QEMU has those of x-vz-. */
static const struct {
	const char *type;
	enum tool_qmp_verb verb;
} verbs[] = {
	{"block-dirty-bitmap-add", TOOL_QMP_ADD},
	{"block-dirty-bitmap-remove", TOOL_QMP_REMOVE},
	{"block-dirty-bitmap-clear", TOOL_QMP_CLEAR},
	{"block-dirty-bitmap-enable", TOOL_QMP_ENABLE},
	{"block-dirty-bitmap-disable", TOOL_QMP_DISABLE},
	{"block-dirty-bitmap-merge", TOOL_QMP_MERGE},
	{"x-block-dirty-bitmap-enable", TOOL_QMP_ENABLE},
	{"x-block-dirty-bitmap-disable", TOOL_QMP_DISABLE},
	{"x-block-dirty-bitmap-merge", TOOL_QMP_MERGE_ONE},
	{"x-vz-block-dirty-bitmap-add", TOOL_QMP_ADD},
	{"x-vz-block-dirty-bitmap-remove", TOOL_QMP_REMOVE},
	{"x-vz-block-dirty-bitmap-clear", TOOL_QMP_CLEAR},
	{"x-vz-block-dirty-bitmap-enable", TOOL_QMP_ENABLE},
	{"x-vz-block-dirty-bitmap-disable", TOOL_QMP_DISABLE},
	{"x-vz-block-dirty-bitmap-merge", TOOL_QMP_MERGE_ONE},
};

enum tool_qmp_verb tool_qmp_find_verb(const char *type)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i].type, type) == 0)
			return verbs[i].verb;
	return TOOL_QMP_VERBS;
}

/* Beginnings of names: jobs, snapshots, exports, guests and questions need a QEMU that runs. */
bool tool_qmp_is_online(const char *type)
{
	static const char *const begins[] = {
		"abort",
		"backup",
		"block-commit",
		"block-dirty-bitmap-populate",
		"block-export-",
		"block-job-",
		"block-latency-",
		"block-resize",
		"block-stream",
		"block_",
		"blockdev-",
		"change-backing-file",
		"device_",
		"drive-",
		"human-monitor-command",
		"job-",
		"migrate",
		"nbd-server-",
		"object-",
		"query-",
		"quit",
		"snapshot-",
		"stop",
		"cont",
		"system_",
		"x-blockdev-",
		"x-debug-block-dirty-bitmap-sha256",
		"x-vz-nbd-server-",
	};
	for (size_t i = 0; i < COUNT(begins); i++)
		if (strncmp(type, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}
