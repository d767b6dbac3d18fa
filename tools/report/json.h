/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON values that several reports share. */
#ifndef TOOLS_REPORT_JSON_H
#define TOOLS_REPORT_JSON_H

#include "../term/text.h"
#include "inventory.h"

#include <jansson.h>
#include <limits.h>

/* Makes jansson end the program when memory runs out. */
void tool_json_setup(void);

/* A document of our own shape, of which no member goes away or changes its meaning before the version of
 * its format does; `name` is that of its schema. */
json_t *tool_json_document(const char *name);

/* The same format as the text that begins such a document. */
void tool_json_begin_document(struct tool_text *text, const char *name);

/* An array of a document whose members are made one by one when it is printed: there may be 65535, and
 * as values they would take many times their text. */
struct tool_json_list {
	json_t *place; /* a value that stands for it in the document, which owns it */
	size_t count;
	json_t *(*make)(const void *opaque, size_t number);
	const void *opaque;
};

/* Sets the list's place in `object`, under `key`. */
void tool_json_set_list(json_t *object, const char *key, struct tool_json_list *list);

#define TOOL_JSON_LINE UINT_MAX /* instead of a depth: all in one line */

/* Appends the value as tool_output_json() prints it inside of `depth` others; gives it back. */
void tool_json_print(struct tool_text *text, json_t *value, unsigned depth,
		     const struct tool_json_list *lists, size_t list_count);

/* The same, but what fills the text is printed on the way, and forgotten; returns an exit status. */
int tool_json_stream(struct tool_text *text, json_t *value, unsigned depth,
		     const struct tool_json_list *lists, size_t list_count);

/* Prints a document with lists; gives it back, and returns an exit status. */
int tool_json_output(json_t *value, const struct tool_json_list *lists,
		     size_t list_count);

/* A bitmap's name, in the form of TOOL_NAME_JSON. */
json_t *tool_json_name(const char *name, size_t name_bytes);

/* A file name or sentence: only bytes that JSON cannot hold are escaped. */
json_t *tool_json_text(const char *text);

/* An integer; past 2^63-1, which only a damaged image has, a real number. */
json_t *tool_json_number(uint64_t number);

/* {"name", "granularity", "flags", "state", "dirty-bytes", "stored-bytes", "problem"}. */
json_t *tool_json_bitmap(const struct tool_inventory_bitmap *bitmap, bool bits_counted);

/* Sets "bitmaps" in `object`, those of `survey`, which stays until they are printed. */
void tool_json_set_bitmaps(json_t *object, struct tool_json_list *list,
			   const struct tool_inventory *survey);

/* The layers of a disk, the top first. */
json_t *tool_json_layers(const struct qcow2bm_chain *chain);

#endif
