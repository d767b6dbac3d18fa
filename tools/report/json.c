/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON values that several reports share. */
#include "json.h"

#include "../term/command.h"
#include "../term/memory.h"
#include "../term/name.h"
#include "../term/output.h"

#include <stdlib.h>
#include <string.h>

#define INDENT 4
#define STREAM_BYTES ((size_t)1 << 20)

void tool_json_setup(void)
{
	json_set_alloc_funcs(tool_memory_alloc, free);
}

/* The schemas in tools/schema say the same. */
#define FORMAT_VERSION 1

static json_t *make_format(const char *name)
{
	json_t *format = json_object();
	json_object_set_new(format, "name", json_sprintf("qcow2bm-%s", name));
	json_object_set_new(format, "version", json_integer(FORMAT_VERSION));
	return format;
}

json_t *tool_json_document(const char *name)
{
	json_t *object = json_object();
	json_object_set_new(object, "format", make_format(name));
	return object;
}

void tool_json_begin_document(struct tool_text *text, const char *name)
{
	tool_text_print(text, "{\n    \"format\": ");
	tool_json_print(text, make_format(name), 1, NULL, 0);
	tool_text_print(text, ",\n");
}

struct printing {
	struct tool_text *text;
	const struct tool_json_list *lists;
	size_t list_count;
	int *status; /* of what was printed on the way; NULL: nothing is */
};

static void print_value(const struct printing *printing, json_t *value, unsigned depth);

void tool_json_set_list(json_t *object, const char *key, struct tool_json_list *list)
{
	list->place = json_array();
	json_object_set_new(object, key, list->place);
}

static int append(const char *bytes, size_t count, void *opaque)
{
	tool_text_add(opaque, bytes, count);
	return 0;
}

static unsigned inside(unsigned depth)
{
	return depth == TOOL_JSON_LINE ? depth : depth + 1;
}

static void begin_line(const struct printing *printing, bool is_first, unsigned depth)
{
	if (depth == TOOL_JSON_LINE) {
		tool_text_print(printing->text, "%s", is_first ? "" : ", ");
		return;
	}
	tool_text_print(printing->text, "%s\n", is_first ? "" : ",");
	tool_text_fill(printing->text, ' ', (size_t)depth * INDENT);
}

static void end_lines(const struct printing *printing, bool are_none, unsigned depth,
		      const char *bracket)
{
	if (!are_none)
		begin_line(printing, true, depth);
	tool_text_print(printing->text, "%s", bracket);
}

static void print_object(const struct printing *printing, json_t *object, unsigned depth)
{
	const char *key;
	json_t *value;
	bool is_first = true;
	tool_text_add(printing->text, "{", 1);
	json_object_foreach(object, key, value)
	{
		begin_line(printing, is_first, inside(depth));
		tool_text_print(printing->text, "\"%s\": ", key);
		print_value(printing, value, inside(depth));
		is_first = false;
	}
	end_lines(printing, is_first, depth, "}");
}

static void print_array(const struct printing *printing, json_t *array, unsigned depth)
{
	size_t i;
	json_t *value;
	tool_text_add(printing->text, "[", 1);
	json_array_foreach(array, i, value)
	{
		begin_line(printing, i == 0, inside(depth));
		print_value(printing, value, inside(depth));
	}
	end_lines(printing, json_array_size(array) == 0, depth, "]");
}

static void empty(const struct printing *printing)
{
	struct tool_text *text = printing->text;
	if (printing->status == NULL || text->used < STREAM_BYTES)
		return;
	if (*printing->status == TOOL_EXIT_DONE)
		*printing->status = tool_output_bytes(text->bytes, text->used);
	text->used = 0;
}

static void print_list(const struct printing *printing, const struct tool_json_list *list,
		       unsigned depth)
{
	tool_text_add(printing->text, "[", 1);
	for (size_t i = 0; i < list->count; i++) {
		json_t *value = list->make(list->opaque, i);
		begin_line(printing, i == 0, inside(depth));
		print_value(printing, value, inside(depth));
		json_decref(value);
		empty(printing);
	}
	end_lines(printing, list->count == 0, depth, "]");
}

/* As jansson prints it; keys are ours, and have nothing to be escaped. */
static void print_value(const struct printing *printing, json_t *value, unsigned depth)
{
	for (size_t i = 0; i < printing->list_count; i++)
		if (printing->lists[i].place == value) {
			print_list(printing, &printing->lists[i], depth);
			return;
		}
	if (json_is_object(value))
		print_object(printing, value, depth);
	else if (json_is_array(value))
		print_array(printing, value, depth);
	else if (json_dump_callback(value, append, printing->text, JSON_ENCODE_ANY) != 0)
		tool_memory_fail(); /* strings were made valid: nothing else can fail */
}

void tool_json_print(struct tool_text *text, json_t *value, unsigned depth,
		     const struct tool_json_list *lists, size_t list_count)
{
	const struct printing printing = {text, lists, list_count, NULL};
	print_value(&printing, value, depth);
	json_decref(value);
}

int tool_json_stream(struct tool_text *text, json_t *value, unsigned depth,
		     const struct tool_json_list *lists, size_t list_count)
{
	int status = TOOL_EXIT_DONE;
	const struct printing printing = {text, lists, list_count, &status};
	print_value(&printing, value, depth);
	json_decref(value);
	return status;
}

int tool_json_output(json_t *value, const struct tool_json_list *lists, size_t list_count)
{
	struct tool_text text = {0};
	int status = tool_json_stream(&text, value, 0, lists, list_count);
	tool_text_add(&text, "\n", 1);
	if (status == TOOL_EXIT_DONE)
		return tool_output_text(&text);
	tool_text_free(&text);
	return status;
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

json_t *tool_json_bitmap(const struct tool_inventory_bitmap *bitmap, bool bits_counted)
{
	const struct qcow2bm_bitmap *entry = &bitmap->entry;
	json_t *flags = json_array();
	if (entry->in_use)
		json_array_append_new(flags, json_string("in-use"));
	if (entry->recording)
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
			    json_string(qcow2bm_state_name(bitmap->entry.state)));
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

static json_t *make_bitmap(const void *opaque, size_t number)
{
	const struct tool_inventory *survey = opaque;
	return tool_json_bitmap(&survey->bitmaps[number], survey->bits_counted);
}

void tool_json_set_bitmaps(json_t *object, struct tool_json_list *list,
			   const struct tool_inventory *survey)
{
	*list = (struct tool_json_list){
		.count = survey->count, .make = make_bitmap, .opaque = survey};
	tool_json_set_list(object, "bitmaps", list);
}

json_t *tool_json_layers(const struct qcow2bm_chain *chain)
{
	json_t *array = json_array();
	for (size_t i = 0; i < qcow2bm_chain_layer_count(chain); i++) {
		const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, i);
		json_t *object = json_object();
		json_object_set_new(object, "filename", tool_json_text(layer->filename));
		json_object_set_new(object, "format",
				    json_string(layer->image != NULL ? "qcow2" : "raw"));
		json_object_set_new(object, "virtual-size",
				    tool_json_number(layer->virtual_bytes));
		if (layer->image != NULL)
			json_object_set_new(
				object, "cluster-size",
				tool_json_number(qcow2bm_image_describe(layer->image)
							 ->cluster_bytes));
		json_array_append_new(array, object);
	}
	return array;
}
