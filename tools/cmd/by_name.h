/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Editing commands that do one thing to each bitmap that is named. */
#ifndef TOOLS_CMD_BY_NAME_H
#define TOOLS_CMD_BY_NAME_H

#include "../term/match.h"
#include "several.h"

/* A staging function that takes nothing but the bitmap's name. */
typedef enum qcow2bm_code tool_by_name_fn(struct qcow2bm_edit *edit, const char *name,
					  size_t name_bytes, struct qcow2bm_error *err);

/* Runs a whole command of the form `verb IMAGE NAME...`. */
int tool_by_name_run(const struct tool_command *command, int argc, char **argv,
		     tool_by_name_fn *stage);

#endif
