/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bitmaps of images in rows: which columns, in which order, aligned or with tabs. */
#ifndef TOOLS_REPORT_COLUMNS_H
#define TOOLS_REPORT_COLUMNS_H

#include "../term/options.h"
#include "../term/text.h"
#include "inventory.h"

enum tool_column {
	TOOL_COLUMN_IMAGE,
	TOOL_COLUMN_SIZE,
	TOOL_COLUMN_NAME,
	TOOL_COLUMN_GRANULARITY,
	TOOL_COLUMN_FLAGS,
	TOOL_COLUMN_STATE,
	TOOL_COLUMN_DIRTY,
	TOOL_COLUMN_STORED,
	TOOL_COLUMN_GRAPH,
	TOOL_COLUMN_WHY,
	TOOL_COLUMN_COUNT
};

/* "image", "name": as they are typed. NULL behind the last. */
const char *tool_columns_word(unsigned number);

/* Zeroed: the columns that list has by itself, as the directory has the bitmaps, aligned. */
struct tool_columns {
	enum tool_column shown[TOOL_COLUMN_COUNT];
	unsigned count;
	struct tool_columns_key {
		enum tool_column column;
		bool is_descending;
	} keys[TOOL_COLUMN_COUNT]; /* that the rows are sorted by, the first one first */
	unsigned key_count;
	bool tabs; /* between the cells, and nothing is aligned, shortened or coloured */
	bool no_headings;
	bool bytes;             /* sizes as numbers */
	unsigned graph_columns; /* of a drawing; found when it is printed */
};

/* The arguments of --columns and --sort; return TOOL_OPTIONS_GO_ON or the status to exit with. */
int tool_columns_take(struct tool_columns *columns, const struct tool_command *command,
		      const char *list);
int tool_columns_take_keys(struct tool_columns *columns,
			   const struct tool_command *command, const char *list);

/* An image and its bitmaps. */
struct tool_columns_image {
	const char *filename;
	uint64_t virtual_bytes;
	struct tool_inventory *survey;
};

/* Bitmaps that are alike in all keys stay in the order of the directory. */
void tool_columns_sort(const struct tool_columns *columns,
		       const struct tool_columns_image *image);

/* Whether a column is among those that were asked for. */
bool tool_columns_has(const struct tool_columns *columns, enum tool_column column);

void tool_columns_print(const struct tool_columns *columns, struct tool_text *text,
			const struct tool_columns_image *image);

#endif
