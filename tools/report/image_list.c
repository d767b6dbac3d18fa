/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The JSON of commands that report image by image: one document, or a line for each. */
#include "image_list.h"

#include "../term/message.h"

#include <stdlib.h>

#define DEPTH 2 /* of an image in the document */

struct tool_image_list tool_image_list_begin(const char *name,
					     const struct tool_options *options,
					     bool is_several)
{
	return (struct tool_image_list){
		.name = name,
		.has_lines = options->json_lines,
		.has_failures = options->json && (is_several || options->json_lines),
	};
}

void tool_image_list_open(struct tool_image_list *list, struct tool_text *text)
{
	if (list->has_lines) {
		json_t *document = tool_json_document(list->name);
		tool_text_print(text, "{\"format\": ");
		tool_json_print(text, json_incref(json_object_get(document, "format")),
				TOOL_JSON_LINE, NULL, 0);
		tool_text_print(text, ", \"images\": [");
		json_decref(document);
	} else if (list->count == 0) {
		tool_json_begin_document(text, list->name);
		tool_text_print(text, "    \"images\": [\n        ");
	} else {
		tool_text_print(text, ",\n        ");
	}
	list->count++;
}

unsigned tool_image_list_depth(const struct tool_image_list *list)
{
	return list->has_lines ? TOOL_JSON_LINE : DEPTH;
}

void tool_image_list_close(const struct tool_image_list *list, struct tool_text *text)
{
	if (list->has_lines)
		tool_text_print(text, "]}\n");
}

const char *tool_image_list_end(const struct tool_image_list *list)
{
	return list->has_lines ? "" : "\n    ]\n}\n";
}

json_t *tool_image_list_error(const char *filename, const struct qcow2bm_error *err)
{
	json_t *error = json_object();
	char *sentence = tool_message_explain(filename, err);
	json_object_set_new(error, "code", json_string(qcow2bm_code_name(err->code)));
	if (err->sys_errno != 0)
		json_object_set_new(error, "errno", json_integer(err->sys_errno));
	if (err->offset != QCOW2BM_NO_OFFSET)
		json_object_set_new(error, "offset", tool_json_number(err->offset));
	json_object_set_new(error, "sentence", tool_json_text(sentence));
	free(sentence);
	return error;
}

json_t *tool_image_list_failure(const char *filename, const struct qcow2bm_error *err)
{
	json_t *object = json_object();
	json_object_set_new(object, "filename", tool_json_text(filename));
	json_object_set_new(object, "error", tool_image_list_error(filename, err));
	return object;
}

void tool_image_list_fail(struct tool_image_list *list, struct tool_text *text,
			  const char *filename, const struct qcow2bm_error *err)
{
	if (!list->has_failures || err->code == QCOW2BM_EINTERRUPTED)
		return;
	tool_image_list_open(list, text);
	tool_json_print(text, tool_image_list_failure(filename, err),
			tool_image_list_depth(list), NULL, 0);
	tool_image_list_close(list, text);
}
