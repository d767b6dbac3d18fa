/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --match: bitmaps whose name, as list shows it, a pattern fits, so that it can reach every name. */
#define _POSIX_C_SOURCE 200809L

#include "match.h"

#include "memory.h"
#include "message.h"
#include "name.h"

#include <fnmatch.h>
#include <stdlib.h>

void tool_match_add(struct tool_match *match, const char *glob)
{
	match->globs =
		tool_memory_resize(match->globs, match->count + 1, sizeof(*match->globs));
	match->used =
		tool_memory_resize(match->used, match->count + 1, sizeof(*match->used));
	match->used[match->count] = false;
	match->globs[match->count++] = glob;
}

void tool_match_free(struct tool_match *match)
{
	free(match->globs);
	free(match->used);
	*match = (struct tool_match){.count = 0};
}

static bool fits(const char *glob, const char *shown)
{
	return fnmatch(glob, shown, FNM_NOESCAPE) == 0;
}

bool tool_match_has(const struct tool_match *match, const char *name, size_t name_bytes)
{
	bool found = false;
	char *shown = tool_name_escape(name, name_bytes, TOOL_NAME_HUMAN);
	for (size_t i = 0; i < match->count && !found; i++)
		found = fits(match->globs[i], shown);
	free(shown);
	return found;
}

bool tool_match_use(struct tool_match *match, const char *name, size_t name_bytes)
{
	bool found = false;
	char *shown = tool_name_escape(name, name_bytes, TOOL_NAME_HUMAN);
	for (size_t i = 0; i < match->count; i++)
		if (fits(match->globs[i], shown))
			found = match->used[i] = true;
	free(shown);
	return found;
}

void tool_match_forget(struct tool_match *match)
{
	for (size_t i = 0; i < match->count; i++)
		match->used[i] = false;
}

const char *tool_match_unused(const struct tool_match *match)
{
	for (size_t i = 0; i < match->count; i++)
		if (!match->used[i])
			return match->globs[i];
	return NULL;
}

int tool_match_missing(const char *filename, const char *glob)
{
	const struct qcow2bm_error err = {.code = QCOW2BM_ENOTFOUND,
					  .offset = QCOW2BM_NO_OFFSET};
	tool_message_because(filename, &err, "no bitmap matches '%s'", glob);
	return TOOL_EXIT_FAILED;
}

static int call_each(const char *glob, const char *filename,
		     const struct qcow2bm_image *image, tool_match_fn *fn, void *opaque)
{
	bool found = false;
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < qcow2bm_bitmap_count(image) && status == TOOL_EXIT_DONE;
	     i++) {
		struct qcow2bm_bitmap entry = *qcow2bm_bitmap_describe(image, i);
		char *shown =
			tool_name_escape(entry.name, entry.name_bytes, TOOL_NAME_HUMAN);
		bool matches = fits(glob, shown);
		free(shown);
		if (matches)
			status = fn(opaque, image, i);
		found |= matches;
	}
	return found ? status : tool_match_missing(filename, glob);
}

int tool_match_each(const struct tool_match *match, const char *filename,
		    const struct qcow2bm_image *image, tool_match_fn *fn, void *opaque)
{
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < match->count && status == TOOL_EXIT_DONE; i++)
		status = call_each(match->globs[i], filename, image, fn, opaque);
	return status;
}
