/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The members of a JSON object, taken strictly. */
#include "member.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct tool_qmp_place tool_qmp_place(const char *fmt, ...)
{
	struct tool_qmp_place place;
	va_list args;
	va_start(args, fmt);
	vsnprintf(place.text, sizeof(place.text), fmt, args);
	va_end(args);
	return place;
}

static const char *dot(const struct tool_qmp_place *place)
{
	return place->text[0] == '\0' ? "" : ".";
}

static bool is_of_kind(const json_t *value, enum tool_qmp_kind kind)
{
	switch (kind) {
	case TOOL_QMP_STRING:
		return json_is_string(value);
	case TOOL_QMP_BOOLEAN:
		return json_is_boolean(value);
	case TOOL_QMP_UINT32:
		return json_is_integer(value);
	case TOOL_QMP_OBJECT:
		return json_is_object(value);
	case TOOL_QMP_ARRAY:
		return json_is_array(value);
	default:
		return true;
	}
}

static bool check_value(const struct tool_qmp_member *member, const json_t *value,
			const struct tool_qmp_place *place, struct tool_qmp_fault *fault)
{
	static const char *const names[] = {"string", "boolean", "integer", "object",
					    "array"};
	if (!is_of_kind(value, member->kind))
		return tool_qmp_fail(
			fault, "Invalid parameter type for '%s%s%s', expected: %s",
			place->text, dot(place), member->name, names[member->kind]);
	if (member->kind == TOOL_QMP_UINT32 &&
	    (json_integer_value(value) < 0 || json_integer_value(value) > UINT32_MAX))
		return tool_qmp_fail(fault, "Parameter '%s%s%s' expects uint32_t",
				     place->text, dot(place), member->name);
	return true;
}

static bool is_member(const struct tool_qmp_member *members, const char *key)
{
	for (; members->name != NULL; members++)
		if (strcmp(members->name, key) == 0)
			return true;
	return false;
}

bool tool_qmp_take(const json_t *object, const struct tool_qmp_place *place,
		   const struct tool_qmp_member *members, const json_t **values,
		   struct tool_qmp_fault *fault)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)object, key, value)
	{
		if (!is_member(members, key))
			return tool_qmp_fail(fault,
					     "Parameter '%s%s%.200s' is unexpected",
					     place->text, dot(place), key);
	}
	for (size_t i = 0; members[i].name != NULL; i++) {
		values[i] = json_object_get(object, members[i].name);
		if (values[i] == NULL && !members[i].may_miss)
			return tool_qmp_fail(fault, "Parameter '%s%s%s' is missing",
					     place->text, dot(place), members[i].name);
		if (values[i] != NULL &&
		    !check_value(&members[i], values[i], place, fault))
			return false;
	}
	return true;
}
