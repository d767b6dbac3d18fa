/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to do about single bitmaps: recover, rename or delete them. */
#include "advice.h"

#include "../term/memory.h"
#include "../term/name.h"
#include "../term/utf8.h"
#include "../term/word.h"

#include <stdlib.h>
#include <string.h>

struct names {
	struct tool_advice *advice;
	const char *filename;
	const struct qcow2bm_image *image;
	const enum qcow2bm_cure *cures; /* one for each bitmap */
};

/* Of several cures of one bitmap the first of these: a bitmap that is deleted has no other. */
static int rank(enum qcow2bm_cure cure)
{
	switch (cure) {
	case QCOW2BM_CURE_DELETE:
		return 3;
	case QCOW2BM_CURE_RECOVER:
		return 2;
	case QCOW2BM_CURE_RENAME:
		return 1;
	default:
		return 0;
	}
}

static enum qcow2bm_cure *choose_cures(const struct qcow2bm_image *image,
				       const struct qcow2bm_report *report,
				       const bool *is_gone)
{
	enum qcow2bm_cure *cures =
		tool_memory_zeroed(qcow2bm_bitmap_count(image) + 1, sizeof(*cures));
	for (size_t i = 0; i < qcow2bm_report_count(report); i++) {
		const struct qcow2bm_problem *problem = qcow2bm_report_problem(report, i);
		size_t idx = problem->idx;
		if (idx != QCOW2BM_NOT_FOUND && !is_gone[idx] &&
		    rank(problem->cure) > rank(cures[idx]))
			cures[idx] = problem->cure;
	}
	return cures;
}

static void add_name(struct tool_text *text, const struct names *names, size_t idx)
{
	struct qcow2bm_bitmap entry = *qcow2bm_bitmap_describe(names->image, idx);
	char *name = tool_name_escape(entry.name, entry.name_bytes, TOOL_NAME_HUMAN);
	tool_word_add(text, name);
	free(name);
}

/* The command with the names of all bitmaps that need the cure; NULL when none does. */
static char *name_all(const struct names *names, enum qcow2bm_cure cure,
		      const char *command)
{
	struct tool_text text = {0};
	for (size_t i = 0; i < qcow2bm_bitmap_count(names->image); i++) {
		if (names->cures[i] != cure)
			continue;
		if (text.used == 0) {
			tool_text_print(&text, "%s", command);
			tool_word_add_file(&text, names->filename);
			tool_text_print(&text, " --");
		}
		add_name(&text, names, i);
	}
	return text.bytes;
}

/* What of the name can be read, in a form that nothing refuses, and that no bitmap has. */
static char *choose_name(const struct names *names, size_t idx)
{
	struct qcow2bm_bitmap entry;
	struct tool_text text = {0};
	entry = *qcow2bm_bitmap_describe(names->image, idx);
	for (size_t at = 0; at < entry.name_bytes;) {
		uint32_t character;
		size_t length = qcow2bm_utf8_decode(entry.name + at,
						    entry.name_bytes - at, &character);
		bool is_shown = length != 0 && tool_utf8_is_visible(character);
		if (is_shown && text.used + length < 900)
			tool_text_add(&text, entry.name + at, length);
		else if (text.used < 900)
			tool_text_print(&text, "_");
		at += length != 0 ? length : 1;
	}
	size_t stem = text.used;
	for (unsigned n = 2; qcow2bm_bitmap_find(names->image, text.bytes, text.used) !=
			     QCOW2BM_NOT_FOUND;
	     n++) {
		text.used = stem;
		tool_text_print(&text, "-%u", n);
	}
	return text.bytes;
}

static void add_renames(const struct names *names)
{
	for (size_t i = 0; i < qcow2bm_bitmap_count(names->image); i++) {
		if (names->cures[i] != QCOW2BM_CURE_RENAME)
			continue;
		struct tool_text text = {0};
		char *name = choose_name(names, i);
		tool_text_print(&text, "qcow2bm rename");
		tool_word_add_file(&text, names->filename);
		tool_text_print(&text, " --");
		add_name(&text, names, i);
		tool_word_add(&text, name);
		tool_advice_add(names->advice,
				"another name, this one or any, for programs that cannot "
				"say the old one",
				text.bytes);
		free(name);
	}
}

void tool_advice_add_names(struct tool_advice *advice, const char *filename,
			   const struct qcow2bm_image *image,
			   const struct qcow2bm_report *report, const bool *is_gone)
{
	enum qcow2bm_cure *cures = choose_cures(image, report, is_gone);
	const struct names names = {advice, filename, image, cures};
	char *command = name_all(&names, QCOW2BM_CURE_RECOVER, "qcow2bm recover --auto");
	if (command != NULL) {
		tool_advice_add(
			advice,
			tool_advice_is_regular(filename)
				? "left in use: what is not sure becomes all dirty, "
				  "which is always safe (-n tells what would do with "
				  "less)"
				: "left in use: what is not sure becomes all dirty, "
				  "which is always safe (-n tells what would do with "
				  "less); it wants room for new tables: where the "
				  "device has none make it larger first (lvextend)",
			command);
		tool_advice_add_alternative(
			advice, "delete them; the next backup must be a full one",
			name_all(&names, QCOW2BM_CURE_RECOVER, "qcow2bm delete"));
	}
	add_renames(&names);
	command = name_all(&names, QCOW2BM_CURE_DELETE, "qcow2bm delete");
	if (command != NULL)
		tool_advice_add(advice, "if no backup job needs them any more", command);
	free(cures);
}
