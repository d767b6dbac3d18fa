/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The JSON of commands that report image by image: one document, or a line for each. */
#define _POSIX_C_SOURCE 200809L
#include "image_list.h"

#include "../term/output.h"
#include "../term/signals.h"

#include <stdlib.h>
#include <string.h>

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

int tool_image_list_print(struct tool_image_list *list, json_t *value,
			  const struct tool_json_list *lists, size_t list_count)
{
	struct tool_text text = {0};
	tool_image_list_open(list, &text);
	int status = tool_json_stream(&text, value, tool_image_list_depth(list), lists,
				      list_count);
	tool_image_list_close(list, &text);
	if (status == TOOL_EXIT_DONE)
		status = tool_output_bytes(text.bytes, text.used);
	tool_text_free(&text);
	const char *end = tool_image_list_end(list);
	tool_signals_leave(end, strlen(end));
	return status;
}

static json_t *error_json(const struct tool_failure *failure)
{
	json_t *error = json_object();
	json_object_set_new(error, "code", json_string(qcow2bm_code_name(failure->code)));
	if (failure->sys_errno != 0)
		json_object_set_new(error, "errno", json_integer(failure->sys_errno));
	if (failure->offset != QCOW2BM_NO_OFFSET)
		json_object_set_new(error, "offset", tool_json_number(failure->offset));
	json_object_set_new(error, "sentence", tool_json_text(failure->sentence));
	return error;
}

json_t *tool_image_list_error(const char *filename, const struct qcow2bm_error *err)
{
	char *sentence = tool_message_explain(filename, err);
	json_t *error = error_json(&(struct tool_failure){err->code, err->sys_errno,
							  err->offset, NULL, sentence});
	free(sentence);
	return error;
}

/* Takes `error`. */
static json_t *failed_image(const char *filename, json_t *error)
{
	json_t *object = json_object();
	json_object_set_new(object, "filename", tool_json_text(filename));
	json_object_set_new(object, "error", error);
	return object;
}

json_t *tool_image_list_failure(const char *filename, const struct qcow2bm_error *err)
{
	return failed_image(filename, tool_image_list_error(filename, err));
}

json_t *tool_image_list_told(const char *filename, const struct tool_failure *failure)
{
	struct tool_failure named = *failure;
	struct tool_text text = {0};
	if (failure->filename != NULL && strcmp(failure->filename, filename) != 0) {
		tool_text_print(&text, "%s: %s", failure->filename, failure->sentence);
		named.sentence = text.bytes;
	}
	json_t *object = failed_image(filename, error_json(&named));
	tool_text_free(&text);
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
