/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where on the disk dirty ranges lie, drawn: a character for each part of it. */
#ifndef TOOLS_REPORT_SKETCH_H
#define TOOLS_REPORT_SKETCH_H

#include "../term/options.h"
#include "../term/text.h"

#include <stdint.h>

/* A bitmap's line has so many parts, or fewer columns, each for several of them. */
#define TOOL_SKETCH_PARTS 60

/* How much of each part is dirty: 0 nothing, 255 all of it. */
struct tool_sketch {
	uint8_t density[TOOL_SKETCH_PARTS];
};

/* Of a disk of so many bytes, in parts as qcow2bm_bitmap_sketch() tells them. */
void tool_sketch_take(struct tool_sketch *sketch,
		      const uint64_t dirty_bytes[TOOL_SKETCH_PARTS],
		      uint64_t virtual_bytes);

/* How many columns a line takes where so many are free. */
unsigned tool_sketch_columns(size_t room);

void tool_sketch_add(struct tool_text *text, const struct tool_sketch *sketch,
		     unsigned columns);

/* Where the first of `count` equal parts of [0, bytes) ends that have the number `i` before them. */
uint64_t tool_sketch_begin(uint64_t bytes, size_t i, size_t count);

/* --graph=WHEN: whether there is a line for each bitmap. */
enum tool_sketch_when { TOOL_SKETCH_AUTO, TOOL_SKETCH_ALWAYS, TOOL_SKETCH_NEVER };

/* Takes the option's argument; returns TOOL_OPTIONS_GO_ON or the status to exit with. */
int tool_sketch_choose(enum tool_sketch_when *when, const struct tool_command *command,
		       const char *word);

/* Whether there is: by itself on a terminal. */
bool tool_sketch_is_wanted(enum tool_sketch_when when);

/* What option --graph says in help texts. */
#define TOOL_SKETCH_HELP                                                                   \
	"      --graph WHEN       a line for each bitmap of where its dirty ranges lie:\n" \
	"                         auto (default: on a terminal), always or never\n"

#endif
