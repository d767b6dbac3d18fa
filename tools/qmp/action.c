/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One thing that a transaction does to a bitmap: its members, by its verb. */
#include "action.h"

#include "../term/memory.h"

#include <stdlib.h>

#define MIN_GRANULARITY_BYTES 512

static const struct tool_qmp_member by_name[] = {
	{"node", TOOL_QMP_STRING, false},
	{"name", TOOL_QMP_STRING, false},
	{NULL, TOOL_QMP_ANY, false},
};

/* QEMU 3 calls disabled x-disabled. autoload is what persistent alone means since QEMU 2.12. */
static const struct tool_qmp_member of_add[] = {
	{"node", TOOL_QMP_STRING, false},       {"name", TOOL_QMP_STRING, false},
	{"granularity", TOOL_QMP_UINT32, true}, {"persistent", TOOL_QMP_BOOLEAN, true},
	{"disabled", TOOL_QMP_BOOLEAN, true},   {"x-disabled", TOOL_QMP_BOOLEAN, true},
	{"autoload", TOOL_QMP_BOOLEAN, true},   {NULL, TOOL_QMP_ANY, false},
};

static const struct tool_qmp_member of_merge[] = {
	{"node", TOOL_QMP_STRING, false},
	{"target", TOOL_QMP_STRING, false},
	{"bitmaps", TOOL_QMP_ARRAY, false},
	{NULL, TOOL_QMP_ANY, false},
};

static const struct tool_qmp_member of_merge_one[] = {
	{"node", TOOL_QMP_STRING, false},
	{"dst_name", TOOL_QMP_STRING, false},
	{"src_name", TOOL_QMP_STRING, false},
	{NULL, TOOL_QMP_ANY, false},
};

static bool read_add(struct tool_qmp_action *action, const json_t *const *values,
		     struct tool_qmp_fault *fault)
{
	enum { GRANULARITY = 2, PERSISTENT, DISABLED, X_DISABLED };
	action->is_persistent = json_is_true(values[PERSISTENT]);
	action->is_disabled =
		json_is_true(values[DISABLED]) || json_is_true(values[X_DISABLED]);
	action->has_granularity = values[GRANULARITY] != NULL;
	if (!action->has_granularity)
		return true;
	uint32_t bytes = (uint32_t)json_integer_value(values[GRANULARITY]);
	action->granularity_bytes = bytes;
	return (bytes >= MIN_GRANULARITY_BYTES && (bytes & (bytes - 1)) == 0) ||
	       tool_qmp_fail(fault, "Granularity must be power of 2 and at least %d",
			     MIN_GRANULARITY_BYTES);
}

/* A source is a name, of the action's own node, or an object of both. */
static bool read_source(struct tool_qmp_action *action, const json_t *value,
			const struct tool_qmp_place *place, struct tool_qmp_fault *fault)
{
	struct tool_qmp_source *source = &action->sources[action->source_count++];
	const json_t *values[TOOL_QMP_MEMBERS];
	if (json_is_string(value)) {
		*source =
			(struct tool_qmp_source){action->node, json_string_value(value)};
		return true;
	}
	if (!json_is_object(value))
		return tool_qmp_fail(fault,
				     "Invalid parameter type for '%s', expected: "
				     "BlockDirtyBitmapOrStr",
				     place->text);
	if (!tool_qmp_take(value, place, by_name, values, fault))
		return false;
	*source = (struct tool_qmp_source){json_string_value(values[0]),
					   json_string_value(values[1])};
	return true;
}

static bool read_merge(struct tool_qmp_action *action, const json_t *bitmaps,
		       const struct tool_qmp_place *place, struct tool_qmp_fault *fault)
{
	const char *dot = place->text[0] == '\0' ? "" : ".";
	size_t count = json_is_array(bitmaps) ? json_array_size(bitmaps) : 1;
	action->sources = tool_memory_zeroed(count, sizeof(*action->sources));
	if (json_is_string(bitmaps))
		return read_source(action, bitmaps, place, fault);
	for (size_t i = 0; i < count; i++) {
		struct tool_qmp_place at =
			tool_qmp_place("%.90s%sbitmaps[%zu]", place->text, dot, i);
		if (!read_source(action, json_array_get(bitmaps, i), &at, fault))
			return false;
	}
	return true;
}

static const struct tool_qmp_member *members_of(enum tool_qmp_verb verb)
{
	switch (verb) {
	case TOOL_QMP_ADD:
		return of_add;
	case TOOL_QMP_MERGE:
		return of_merge;
	case TOOL_QMP_MERGE_ONE:
		return of_merge_one;
	default:
		return by_name;
	}
}

bool tool_qmp_action_read(struct tool_qmp_action *action, const char *type,
			  const json_t *members, const struct tool_qmp_place *place,
			  struct tool_qmp_fault *fault)
{
	const json_t *values[TOOL_QMP_MEMBERS];
	*action =
		(struct tool_qmp_action){.type = type, .verb = tool_qmp_find_verb(type)};
	if (!tool_qmp_take(members, place, members_of(action->verb), values, fault))
		return false;
	action->node = json_string_value(values[0]);
	action->name = json_string_value(values[1]);
	if (action->verb == TOOL_QMP_ADD)
		return read_add(action, values, fault);
	return (action->verb != TOOL_QMP_MERGE && action->verb != TOOL_QMP_MERGE_ONE) ||
	       read_merge(action, values[2], place, fault);
}

void tool_qmp_action_free(struct tool_qmp_action *action)
{
	free(action->sources);
}
