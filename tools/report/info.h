/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two forms of info's report on one layer. */
#ifndef TOOLS_REPORT_INFO_H
#define TOOLS_REPORT_INFO_H

#include "../term/text.h"
#include "info_layer.h"
#include "json.h"

#include <jansson.h>

/* The keys and values of `qemu-img info --output=json`, and ours in each bitmap: the lists, of bitmaps
 * and snapshots, are to be printed with it. */
json_t *tool_info_json(const struct tool_info_layer *layer,
		       struct tool_json_list lists[2]);

/* In the form of `qemu-img info`. */
void tool_info_human(struct tool_text *text, const struct tool_info_layer *layer);

/* "luks" and so on; NULL when the image is not encrypted. */
const char *tool_info_encryption(const struct qcow2bm_image_info *info);

#endif
