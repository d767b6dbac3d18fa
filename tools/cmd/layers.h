/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening a disk with the layers below it. */
#ifndef TOOLS_CMD_LAYERS_H
#define TOOLS_CMD_LAYERS_H

#include "../term/options.h"

enum {
	TOOL_LAYERS_TOP_ONLY = 1u << 0,
	TOOL_LAYERS_EDIT = 1u << 1 /* those that are edited are opened for writing then */
};

/* Names of backing files that are "json:{...}"; a qcow2bm_resolve_fn. */
bool tool_layers_resolve(void *opaque, const char *name, struct qcow2bm_backing *backing,
			 char why[256]);

/* Opens the layers as the options and flags say, with a warning when they may be changing. Names
 * of backing files may be "json:{...}", too. Prints what fails; returns an exit status. */
int tool_layers_open(struct qcow2bm_chain **chain, const struct tool_options *options,
		     const char *filename, unsigned flags);

/* The same for a top layer of a format: "raw", "qcow2", or "", as it begins. Prints nothing: a failure is
 * in *err. */
enum qcow2bm_code tool_layers_try_open(struct qcow2bm_chain **chain,
				       const struct tool_options *options,
				       const char *filename, const char *format,
				       unsigned flags, struct qcow2bm_error *err);

/* The same, where somebody else knows what is below which layer. */
enum qcow2bm_code tool_layers_try_open_chosen(struct qcow2bm_chain **chain,
					      const struct tool_options *options,
					      const char *filename, unsigned flags,
					      qcow2bm_choose_fn *choose, void *opaque,
					      struct qcow2bm_error *err);

/* The path that the name of a backing file means in an image at `overlay`, to be freed; NULL when it means
 * no local file. */
char *tool_layers_path(const char *overlay, const char *name);

#endif
