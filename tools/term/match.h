/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --match: bitmaps whose name, as list shows it, a pattern fits, so that it can reach every name. */
#ifndef TOOLS_TERM_MATCH_H
#define TOOLS_TERM_MATCH_H

#include <qcow2bm.h>

/* The patterns of a command line. */
struct tool_match {
	const char **globs;
	bool *used; /* the pattern fitted a name that tool_match_use() was given */
	size_t count;
};

void tool_match_add(struct tool_match *match, const char *glob);
void tool_match_free(struct tool_match *match);

/* Whether one of the patterns fits. */
bool tool_match_has(const struct tool_match *match, const char *name, size_t name_bytes);

/* The same; each of the patterns that fit is used from then on. */
bool tool_match_use(struct tool_match *match, const char *name, size_t name_bytes);

/* None of them is used any more: for the next image. */
void tool_match_forget(struct tool_match *match);

/* The first pattern that is not used, or NULL. */
const char *tool_match_unused(const struct tool_match *match);

/* Calls fn for each bitmap that a pattern fits, pattern after pattern. Prints that a pattern fits none; returns
 * an exit status. */
typedef int tool_match_fn(void *opaque, const struct qcow2bm_image *image, size_t idx);
int tool_match_each(const struct tool_match *match, const char *filename,
		    const struct qcow2bm_image *image, tool_match_fn *fn, void *opaque);

/* Prints that a pattern fits no bitmap; returns an exit status. */
int tool_match_missing(const char *filename, const char *glob);

#define TOOL_HELP_MATCH_FORM \
	"                         * ? [abc] as in a shell; a backslash is a backslash\n"

#define TOOL_HELP_MATCH \
	"      --match GLOB       those whose name, as `list` shows it, matches; repeatable.\n" TOOL_HELP_MATCH_FORM

#endif
