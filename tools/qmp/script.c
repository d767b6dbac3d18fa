/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QMP input: a stream of commands, or one list of actions. */
#include "script.h"

#include "../term/memory.h"

#include <stdlib.h>
#include <string.h>

static bool fail_offline(struct tool_qmp_fault *fault, const char *type)
{
	return tool_qmp_fail(fault,
			     "'%.200s' has no meaning on images that no QEMU has open; "
			     "nothing is done",
			     type);
}

/* ---- Transactions --------------------------------------------------------------------- */

static bool read_action(struct tool_qmp_command *command, const json_t *value,
			struct tool_qmp_place place, struct tool_qmp_fault *fault)
{
	static const struct tool_qmp_member members[] = {
		{"type", TOOL_QMP_STRING, false},
		{"data", TOOL_QMP_OBJECT, true},
		{NULL, TOOL_QMP_ANY, false},
	};
	const json_t *values[TOOL_QMP_MEMBERS];
	if (!json_is_object(value))
		return tool_qmp_fail(fault,
				     "Invalid parameter type for '%s', expected: object",
				     place.text);
	if (!tool_qmp_take(value, &place, members, values, fault))
		return false;
	const char *type = json_string_value(values[0]);
	if (tool_qmp_find_verb(type) == TOOL_QMP_VERBS && tool_qmp_is_online(type))
		return fail_offline(fault, type);
	if (tool_qmp_find_verb(type) == TOOL_QMP_VERBS)
		return tool_qmp_fail(fault,
				     "Parameter '%s.type' does not accept value '%.200s'",
				     place.text, type);
	if (values[1] == NULL)
		return tool_qmp_fail(fault, "Parameter '%s.data' is missing", place.text);
	struct tool_qmp_place data = tool_qmp_place("%.100s.data", place.text);
	return tool_qmp_action_read(&command->actions[command->action_count++], type,
				    values[1], &data, fault);
}

static bool read_actions(struct tool_qmp_command *command, const json_t *actions,
			 const char *name, struct tool_qmp_fault *fault)
{
	size_t count = json_array_size(actions);
	command->is_transaction = true;
	command->actions = tool_memory_zeroed(count, sizeof(*command->actions));
	for (size_t i = 0; i < count; i++)
		if (!read_action(command, json_array_get(actions, i),
				 tool_qmp_place("%s[%zu]", name, i), fault))
			return false;
	return true;
}

/* Actions on bitmaps are done when they are done: there is nothing to complete together. */
static bool check_properties(const struct tool_qmp_command *command,
			     const json_t *properties, struct tool_qmp_fault *fault)
{
	static const struct tool_qmp_member members[] = {
		{"completion-mode", TOOL_QMP_STRING, true},
		{NULL, TOOL_QMP_ANY, false},
	};
	const struct tool_qmp_place place = tool_qmp_place("properties");
	const json_t *values[TOOL_QMP_MEMBERS];
	if (properties == NULL)
		return true;
	if (!tool_qmp_take(properties, &place, members, values, fault))
		return false;
	const char *mode =
		values[0] == NULL ? "individual" : json_string_value(values[0]);
	if (strcmp(mode, "individual") == 0)
		return true;
	if (strcmp(mode, "grouped") != 0)
		return tool_qmp_fail(fault,
				     "Parameter 'properties.completion-mode' does not "
				     "accept value '%.200s'",
				     mode);
	return command->action_count == 0 ||
	       tool_qmp_fail(fault,
			     "Action '%s' does not support Transaction property "
			     "completion-mode = grouped",
			     command->actions[0].type);
}

static bool read_transaction(struct tool_qmp_command *command, const json_t *arguments,
			     struct tool_qmp_fault *fault)
{
	static const struct tool_qmp_member members[] = {
		{"actions", TOOL_QMP_ARRAY, false},
		{"properties", TOOL_QMP_OBJECT, true},
		{NULL, TOOL_QMP_ANY, false},
	};
	const struct tool_qmp_place place = tool_qmp_place("%s", "");
	const json_t *values[TOOL_QMP_MEMBERS];
	return tool_qmp_take(arguments, &place, members, values, fault) &&
	       read_actions(command, values[0], "actions", fault) &&
	       check_properties(command, values[1], fault);
}

/* ---- Commands --------------------------------------------------------------------------- */

static bool fail_unknown(struct tool_qmp_fault *fault, const char *name)
{
	fault->is_unknown_command = true;
	return tool_qmp_fail(fault, "The command %.200s has not been found", name);
}

static bool read_arguments(struct tool_qmp_command *command, const char *name,
			   const json_t *arguments, struct tool_qmp_fault *fault)
{
	const struct tool_qmp_place place = tool_qmp_place("%s", "");
	if (strcmp(name, "qmp_capabilities") == 0)
		return true;
	if (strcmp(name, "transaction") == 0)
		return read_transaction(command, arguments, fault);
	if (tool_qmp_find_verb(name) == TOOL_QMP_VERBS)
		return tool_qmp_is_online(name) ? fail_offline(fault, name)
						: fail_unknown(fault, name);
	command->actions = tool_memory_zeroed(1, sizeof(*command->actions));
	command->action_count = 1;
	return tool_qmp_action_read(command->actions, name, arguments, &place, fault);
}

static bool read_command(struct tool_qmp_command *command, const json_t *object,
			 struct tool_qmp_fault *fault)
{
	static const struct tool_qmp_member members[] = {
		{"execute", TOOL_QMP_STRING, false},
		{"arguments", TOOL_QMP_OBJECT, true},
		{"id", TOOL_QMP_ANY, true},
		{NULL, TOOL_QMP_ANY, false},
	};
	const struct tool_qmp_place place = tool_qmp_place("%s", "");
	const json_t *values[TOOL_QMP_MEMBERS];
	/* Many keep a transaction's arguments alone. */
	if (json_object_get(object, "actions") != NULL)
		return read_transaction(command, object, fault);
	command->id = json_object_get(object, "id");
	if (!tool_qmp_take(object, &place, members, values, fault))
		return false;
	json_t *none = json_object();
	bool is_read = read_arguments(command, json_string_value(values[0]),
				      values[1] == NULL ? none : values[1], fault);
	json_decref(none);
	return is_read;
}

static bool read_document(struct tool_qmp_script *script, const json_t *document,
			  struct tool_qmp_fault *fault)
{
	script->commands = tool_memory_resize(script->commands, script->count + 1,
					      sizeof(*script->commands));
	struct tool_qmp_command *command = &script->commands[script->count++];
	*command = (struct tool_qmp_command){0};
	fault->command = script->count;
	bool is_read = json_is_array(document)
			       ? read_actions(command, document, "", fault)
			       : read_command(command, document, fault);
	if (is_read)
		fault->command = 0;
	return is_read;
}

/* ---- The stream ------------------------------------------------------------------------- */

static size_t skip_blanks(const char *bytes, size_t at, size_t count)
{
	while (at < count && bytes[at] != '\0' && strchr(" \t\r\n", bytes[at]) != NULL)
		at++;
	return at;
}

static bool fail_json(struct tool_qmp_fault *fault, const char *bytes, size_t begin,
		      const json_error_t *err)
{
	int line = err->line;
	for (size_t i = 0; i < begin; i++)
		line += bytes[i] == '\n';
	return tool_qmp_fail(fault, "JSON parse error, line %d: %s", line, err->text);
}

bool tool_qmp_parse(struct tool_qmp_script *script, const char *bytes, size_t count,
		    struct tool_qmp_fault *fault)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK;
	*script = (struct tool_qmp_script){.documents = json_array()};
	if (count > TOOL_QMP_MAX_BYTES)
		return tool_qmp_fail(fault, "it has more than %zu bytes",
				     TOOL_QMP_MAX_BYTES);
	size_t at = skip_blanks(bytes, 0, count);
	if (at == count)
		return tool_qmp_fail(fault, "there is no command in it");
	while (at < count) {
		json_error_t err;
		json_t *document = json_loadb(bytes + at, count - at, flags, &err);
		if (document == NULL)
			return fail_json(fault, bytes, at, &err);
		json_array_append_new(script->documents, document);
		if (!read_document(script, document, fault))
			return false;
		at = skip_blanks(bytes, at + (size_t)err.position, count);
	}
	return true;
}

void tool_qmp_free(struct tool_qmp_script *script)
{
	for (size_t i = 0; i < script->count; i++) {
		struct tool_qmp_command *command = &script->commands[i];
		for (size_t k = 0; k < command->action_count; k++)
			tool_qmp_action_free(&command->actions[k]);
		free(command->actions);
	}
	free(script->commands);
	json_decref(script->documents);
}
