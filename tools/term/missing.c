/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said, always in the same words, of a bitmap or checkpoint that is not there. */
#include "missing.h"

#include "message.h"
#include "name.h"
#include "nearest.h"
#include "word.h"

#include <stdlib.h>
#include <string.h>

static void try_name(struct tool_nearest *nearest, const char *name, size_t name_bytes)
{
	char *shown = tool_name_escape(name, name_bytes, TOOL_NAME_HUMAN);
	tool_nearest_try(nearest, shown, strlen(shown));
	free(shown);
}

static int tell(const char *filename, const char *what,
		const struct tool_nearest *nearest, size_t count, const char *list)
{
	const struct qcow2bm_error err = {.code = QCOW2BM_ENOTFOUND,
					  .offset = QCOW2BM_NO_OFFSET};
	struct tool_text text = {0};
	tool_text_print(&text, "%s '%s' not found", what, nearest->wanted);
	if (count == 0)
		tool_text_print(&text, ": there is none");
	else if (nearest->best[0] != '\0')
		tool_text_print(&text, "; is it '%s'? all: qcow2bm %s", nearest->best,
				list);
	else
		tool_text_print(&text, "; all: qcow2bm %s", list);
	if (count != 0)
		tool_word_add_file(&text, filename);
	tool_message_because(filename, &err, "%s", text.bytes);
	tool_text_free(&text);
	return TOOL_EXIT_FAILED;
}

int tool_missing_bitmap(const char *filename, const struct qcow2bm_image *image,
			const char *name)
{
	struct tool_nearest nearest;
	size_t count = qcow2bm_bitmap_count(image);
	tool_nearest_begin(&nearest, name, strlen(name));
	for (size_t i = 0; i < count; i++) {
		const struct qcow2bm_bitmap *bitmap = qcow2bm_bitmap_describe(image, i);
		try_name(&nearest, bitmap->name, bitmap->name_bytes);
	}
	return tell(filename, "bitmap", &nearest, count, "list");
}

int tool_missing_checkpoint(const char *filename, const struct qcow2bm_chain *chain,
			    const char *name)
{
	struct tool_nearest nearest;
	size_t count = qcow2bm_chain_count(chain);
	tool_nearest_begin(&nearest, name, strlen(name));
	for (size_t i = 0; i < count; i++) {
		const struct qcow2bm_checkpoint *checkpoint =
			qcow2bm_chain_checkpoint(chain, i);
		try_name(&nearest, checkpoint->name, checkpoint->name_bytes);
	}
	return tell(filename, "checkpoint", &nearest, count, "chain show");
}
