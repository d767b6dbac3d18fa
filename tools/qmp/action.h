/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One thing that a transaction does to a bitmap. */
#ifndef TOOLS_QMP_ACTION_H
#define TOOLS_QMP_ACTION_H

#include "member.h"
#include "verb.h"

#include <stdint.h>

struct tool_qmp_source {
	const char *node;
	const char *name;
};

/* All text is the JSON's. */
struct tool_qmp_action {
	const char *type;
	enum tool_qmp_verb verb;
	const char *node;
	const char *name;
	/* Of an added one: */
	uint32_t granularity_bytes;
	bool has_granularity;
	bool is_persistent;
	bool is_disabled;
	/* What is merged: */
	struct tool_qmp_source *sources;
	size_t source_count;
};

/* Reads the members of an action of that type, which stand at `place`. The action is to be freed. */
bool tool_qmp_action_read(struct tool_qmp_action *action, const char *type,
			  const json_t *members, const struct tool_qmp_place *place,
			  struct tool_qmp_fault *fault);
void tool_qmp_action_free(struct tool_qmp_action *action);

#endif
