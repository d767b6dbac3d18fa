/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's ways to name an image by options: "driver=qcow2,file.filename=PATH" and "json:{...}". */
#ifndef TOOLS_TERM_IMAGE_OPTS_H
#define TOOLS_TERM_IMAGE_OPTS_H

#include <stdbool.h>
#include <stddef.h>

#define TOOL_IMAGE_OPTS_PROBLEM 256

/* Each finds the local file that a qcow2 image is said to be in: through wrappers of driver raw
 * down to driver file or host_device. Other options must be such as QEMU takes there, and are unused;
 * those that forbid writing are refused when the file is to be written. Returns the file's name,
 * which the caller frees, or NULL with a sentence. */
char *tool_image_opts_parse(const char *text, bool for_writing,
			    char problem[TOOL_IMAGE_OPTS_PROBLEM]);
char *tool_image_opts_parse_json(const char *json, bool for_writing,
				 char problem[TOOL_IMAGE_OPTS_PROBLEM]);

/* The local file that `filename` means where QEMU takes a file name: a plain one, "file:PATH" or
 * "json:{...}". */
char *tool_image_opts_resolve(const char *filename, bool for_writing,
			      char problem[TOOL_IMAGE_OPTS_PROBLEM]);

#endif
