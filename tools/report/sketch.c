/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where on the disk dirty ranges lie, drawn: a character for each part of it. */
#include "sketch.h"

#include "../term/choice.h"
#include "../term/fold.h"
#include "../term/glyph.h"

#define ALL 255u

uint64_t tool_sketch_begin(uint64_t bytes, size_t i, size_t count)
{
	return bytes / count * i + bytes % count * i / count;
}

/* Neither nothing nor all where a part is between them. */
static uint8_t find_density(uint64_t dirty_bytes, uint64_t bytes)
{
	if (dirty_bytes == 0)
		return 0;
	if (dirty_bytes >= bytes)
		return ALL;
	double share = (double)dirty_bytes / (double)bytes;
	return (uint8_t)(1 + share * (ALL - 2));
}

void tool_sketch_take(struct tool_sketch *sketch,
		      const uint64_t dirty_bytes[TOOL_SKETCH_PARTS],
		      uint64_t virtual_bytes)
{
	for (size_t i = 0; i < TOOL_SKETCH_PARTS; i++) {
		uint64_t begin = tool_sketch_begin(virtual_bytes, i, TOOL_SKETCH_PARTS);
		uint64_t end = tool_sketch_begin(virtual_bytes, i + 1, TOOL_SKETCH_PARTS);
		sketch->density[i] = find_density(dirty_bytes[i], end - begin);
	}
}

/* Whole parts go into a column. */
unsigned tool_sketch_columns(size_t room)
{
	for (unsigned parts = 1; parts < 4; parts++)
		if (room >= TOOL_SKETCH_PARTS / parts)
			return TOOL_SKETCH_PARTS / parts;
	return TOOL_SKETCH_PARTS / 4;
}

void tool_sketch_add(struct tool_text *text, const struct tool_sketch *sketch,
		     unsigned columns)
{
	unsigned parts = TOOL_SKETCH_PARTS / columns;
	for (unsigned i = 0; i < columns; i++) {
		unsigned sum = 0;
		for (unsigned k = 0; k < parts; k++)
			sum += sketch->density[i * parts + k];
		tool_text_print(text, "%s", tool_glyph_shade(sum, ALL * parts));
	}
}

static const char *when_word(unsigned number)
{
	static const char *const words[] = {"auto", "always", "never"};
	return number < 3 ? words[number] : NULL;
}

int tool_sketch_choose(enum tool_sketch_when *when, const struct tool_command *command,
		       const char *word)
{
	static const struct tool_choice choice = {"--graph", "choice", when_word};
	unsigned number = 0;
	int status = tool_choice_take(&choice, command, word, &number);
	*when = (enum tool_sketch_when)number;
	return status;
}

bool tool_sketch_is_wanted(enum tool_sketch_when when)
{
	return when == TOOL_SKETCH_ALWAYS ||
	       (when == TOOL_SKETCH_AUTO && tool_fold_terminal() != 0);
}
