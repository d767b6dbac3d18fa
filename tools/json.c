/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON values that several reports share. */
#include "json.h"

#include "memory.h"
#include "name.h"

#include <stdlib.h>

void tool_json_setup(void)
{
	json_set_alloc_funcs(tool_memory_alloc, free);
}

static json_t *take_text(char *text)
{
	json_t *value = json_string(text);
	free(text);
	return value;
}

json_t *tool_json_name(const char *name, size_t name_bytes)
{
	return take_text(tool_name_escape(name, name_bytes, TOOL_NAME_JSON));
}

json_t *tool_json_text(const char *text)
{
	return take_text(tool_name_escape_text(text, TOOL_NAME_JSON));
}

json_t *tool_json_number(uint64_t number)
{
	return number <= INT64_MAX ? json_integer((json_int_t)number)
				   : json_real((double)number);
}

json_t *tool_json_bitmap(const struct tool_survey_bitmap *bitmap, bool bits_counted)
{
	const struct qcow2bm_bitmap *entry = &bitmap->entry;
	json_t *flags = json_array();
	if (entry->in_use)
		json_array_append_new(flags, json_string("in-use"));
	if (entry->autoload)
		json_array_append_new(flags, json_string("auto"));
	json_t *object = json_object();
	json_object_set_new(object, "name",
			    tool_json_name(entry->name, entry->name_bytes));
	if (entry->granularity_bits < 64)
		json_object_set_new(
			object, "granularity",
			tool_json_number((uint64_t)1 << entry->granularity_bits));
	json_object_set_new(object, "flags", flags);
	json_object_set_new(object, "state",
			    json_string(tool_survey_state_word(bitmap->entry.state)));
	if (bitmap->measured && bits_counted)
		json_object_set_new(object, "dirty-bytes",
				    tool_json_number(bitmap->measure.dirty_bytes));
	if (bitmap->measured)
		json_object_set_new(object, "stored-bytes",
				    tool_json_number(bitmap->measure.stored_bytes));
	if (bitmap->problem != NULL)
		json_object_set_new(object, "problem", tool_json_text(bitmap->problem));
	return object;
}
