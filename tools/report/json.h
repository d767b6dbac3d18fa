/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON values that several reports share. */
#ifndef TOOLS_REPORT_JSON_H
#define TOOLS_REPORT_JSON_H

#include "../term/text.h"
#include "inventory.h"

#include <jansson.h>

/* Makes jansson end the program when memory runs out. */
void tool_json_setup(void);

/* Appends the value as tool_output_json() prints it inside of `depth` others; gives it back. */
void tool_json_print(struct tool_text *text, json_t *value, unsigned depth);

/* A bitmap's name, in the form of TOOL_NAME_JSON. */
json_t *tool_json_name(const char *name, size_t name_bytes);

/* A file name or sentence: only bytes that JSON cannot hold are escaped. */
json_t *tool_json_text(const char *text);

/* An integer; past 2^63-1, which only a damaged image has, a real number. */
json_t *tool_json_number(uint64_t number);

/* {"name", "granularity", "flags", "state", "dirty-bytes", "stored-bytes", "problem"}. */
json_t *tool_json_bitmap(const struct tool_inventory_bitmap *bitmap, bool bits_counted);

#endif
