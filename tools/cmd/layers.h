/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening a disk with the layers below it. */
#ifndef TOOLS_CMD_LAYERS_H
#define TOOLS_CMD_LAYERS_H

#include "../term/options.h"

/* Opens the layers as the options say, with a warning when they may be changing; only the top one
 * with `top_only`. Names of backing files may be "json:{...}", too. Prints what fails; returns an
 * exit status. */
int tool_layers_open(struct qcow2bm_chain **chain, const struct tool_options *options,
		     const char *filename, bool top_only);

#endif
