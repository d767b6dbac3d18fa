/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Editing commands that do one thing to each bitmap that is named. */
#ifndef TOOLS_CMD_BY_NAME_H
#define TOOLS_CMD_BY_NAME_H

#include "several.h"

/* A staging function that takes nothing but the bitmap's name. */
typedef enum qcow2bm_code tool_by_name_fn(struct qcow2bm_edit *edit, const char *name,
					  size_t name_bytes, struct qcow2bm_error *err);

/* Runs a whole command of the form `verb IMAGE NAME...`. */
int tool_by_name_run(const struct tool_command *command, int argc, char **argv,
		     tool_by_name_fn *stage);

/* Calls fn for each bitmap of the image whose name, as list shows it, the pattern matches. Prints that there
 * is none; returns an exit status. */
typedef int tool_by_name_match_fn(void *opaque, struct tool_session *session, size_t idx);
int tool_by_name_match(struct tool_session *session, const char *pattern,
		       tool_by_name_match_fn *fn, void *opaque);

#define TOOL_HELP_MATCH                                                                         \
	"      --match GLOB       those whose name, as `list` shows it, matches; repeatable.\n" \
	"                         * ? [abc] as in a shell; a backslash is a backslash\n"

#endif
