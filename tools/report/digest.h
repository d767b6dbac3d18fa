/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A digest of an image's metadata, which tells whether anything was written there. */
#ifndef TOOLS_REPORT_DIGEST_H
#define TOOLS_REPORT_DIGEST_H

#include "json.h"

#define TOOL_DIGEST_MAX_AREAS 65536 /* that are kept; the digest is of all */

/* Zeroed before the first use. */
struct tool_digest {
	char hex[65]; /* SHA-256 */
	uint64_t bytes;
	struct tool_digest_area {
		uint64_t offset, length;
	} * areas; /* in the order of the file */
	size_t area_count, area_room;
	bool has_more; /* areas than are kept */
};

/* Reads all metadata. */
enum qcow2bm_code tool_digest_make(struct tool_digest *digest,
				   struct qcow2bm_image *image,
				   const struct qcow2bm_watch *watch,
				   struct qcow2bm_error *err);

/* What two digests, of before and of after, say; the list is to be printed with it. */
json_t *tool_digest_json(const struct tool_digest *before,
			 const struct tool_digest *after, struct tool_json_list *areas);
void tool_digest_free(struct tool_digest *digest);

#endif
