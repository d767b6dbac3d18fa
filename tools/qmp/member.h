/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The members of a JSON object, taken strictly: none that nobody knows, none that is missing, each of
 * its type. What is wrong is said in QEMU's words, with the member's place. */
#ifndef TOOLS_QMP_MEMBER_H
#define TOOLS_QMP_MEMBER_H

#include "fault.h"

#include <jansson.h>

enum tool_qmp_kind {
	TOOL_QMP_STRING,
	TOOL_QMP_BOOLEAN,
	TOOL_QMP_UINT32,
	TOOL_QMP_OBJECT,
	TOOL_QMP_ARRAY,
	TOOL_QMP_ANY
};

struct tool_qmp_member {
	const char *name; /* NULL ends a list of them */
	enum tool_qmp_kind kind;
	bool may_miss;
};

#define TOOL_QMP_MEMBERS 8 /* at most, in one list */

/* Where an object stands, as QEMU names it: "", "actions[0].data". */
struct tool_qmp_place {
	char text[128];
};
struct tool_qmp_place tool_qmp_place(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* values[i] becomes the value of member i of the list, which `object` goes on to own, or NULL. */
bool tool_qmp_take(const json_t *object, const struct tool_qmp_place *place,
		   const struct tool_qmp_member *members, const json_t **values,
		   struct tool_qmp_fault *fault);

#endif
