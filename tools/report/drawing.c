/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bitmaps over the layers of a disk, a letter for each: what list and chain show draw. */
#include "drawing.h"

#include "../term/name.h"
#include "../term/size.h"
#include "state.h"

#include <stdlib.h>

void tool_drawing_layers(struct tool_text *text, const struct qcow2bm_chain *chain)
{
	for (size_t i = 0; i < qcow2bm_chain_layer_count(chain); i++) {
		char size[TOOL_SIZE_TEXT];
		const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, i);
		char *shown = tool_name_escape_text(layer->filename, TOOL_NAME_HUMAN);
		tool_size_format(layer->virtual_bytes, size);
		tool_text_print(text, "%s%zu %s (%s%s)\n",
				i == 0 ? "Layers: " : "        ", i, shown, size,
				layer->image == NULL ? ", raw: it can hold no bitmaps"
						     : "");
		free(shown);
	}
}

void tool_drawing_letter(struct tool_text *text, const enum qcow2bm_state *state)
{
	static const char letters[] = {
		[QCOW2BM_STATE_VALID] = 'R',          [QCOW2BM_STATE_DISABLED] = 'o',
		[QCOW2BM_STATE_IN_USE_LIVE] = 'L',    [QCOW2BM_STATE_IN_USE_STALE] = '!',
		[QCOW2BM_STATE_IN_USE_UNKNOWN] = '?', [QCOW2BM_STATE_CORRUPT] = 'X',
	};
	if (state == NULL)
		tool_colour_add(text, TOOL_COLOUR_NOTHING, ".", 1);
	else
		tool_colour_add(text, tool_state_colour(*state), &letters[*state], 1);
}

/* Layers beside each other have room for their numbers; more stand close, and of many those at the
 * top. */
#define NUMBERED_LAYERS 10
#define DRAWN_LAYERS 20

char *tool_drawing_row(const struct qcow2bm_chain *chain, tool_drawing_find_fn *find,
		       const void *opaque)
{
	struct tool_text text = {0};
	size_t count = qcow2bm_chain_layer_count(chain);
	for (size_t i = 0; i < count && i < DRAWN_LAYERS; i++) {
		enum qcow2bm_state state;
		if (i != 0 && count <= NUMBERED_LAYERS)
			tool_text_add(&text, " ", 1);
		tool_drawing_letter(&text, find(opaque, i, &state) ? &state : NULL);
	}
	tool_text_print(&text, "%s", count > DRAWN_LAYERS ? "+" : "");
	return text.bytes;
}

char *tool_drawing_heading(const struct qcow2bm_chain *chain)
{
	struct tool_text text = {0};
	size_t count = qcow2bm_chain_layer_count(chain);
	for (size_t i = 0; i < count && count <= NUMBERED_LAYERS; i++)
		tool_text_print(&text, i == 0 ? "%zu" : " %zu", i);
	tool_text_print(&text, "%s", count <= NUMBERED_LAYERS ? "" : "LAYERS");
	return text.bytes;
}

void tool_drawing_legend(struct tool_text *text)
{
	tool_text_print(
		text,
		"\nLayers: R recording, o paused, ! left in-use by a crash, L in use "
		"by a running\nprogram, ? in use, X corrupt, . none; the top first.\n");
}
