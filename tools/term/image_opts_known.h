/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which options QEMU knows for the layers that lead to a local qcow2 file, and which values. */
#ifndef TOOLS_TERM_IMAGE_OPTS_KNOWN_H
#define TOOLS_TERM_IMAGE_OPTS_KNOWN_H

#include "image_opts.h"

/* The layers that there can be, one below the other. */
enum tool_image_opts_layer {
	TOOL_IMAGE_OPTS_QCOW2,
	TOOL_IMAGE_OPTS_RAW, /* a wrapper */
	TOOL_IMAGE_OPTS_FILE
};

/* Whether key=value may be said of the layer; else a sentence. `path` is the whole key. */
bool tool_image_opts_is_known(enum tool_image_opts_layer layer, const char *path,
			      const char *key, const char *value, bool for_writing,
			      char problem[TOOL_IMAGE_OPTS_PROBLEM]);

#endif
