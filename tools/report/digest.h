/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A digest of an image's metadata, which tells whether anything was written there. */
#ifndef TOOLS_REPORT_DIGEST_H
#define TOOLS_REPORT_DIGEST_H

#include <jansson.h>
#include <qcow2bm.h>

#define TOOL_DIGEST_MAX_AREAS 65536 /* that are kept; the digest is of all */

/* Zeroed before the first use. */
struct tool_digest {
	char hex[65]; /* SHA-256 */
	uint64_t bytes;
	json_t *areas; /* {"offset", "length"}, in the order of the file */
	bool has_more; /* areas than are kept */
};

/* Reads all metadata. Prints what fails; returns an exit status. */
int tool_digest_make(struct tool_digest *digest, const char *filename,
		     struct qcow2bm_image *image);

/* What two digests, of before and of after, say. Takes the areas of both. */
json_t *tool_digest_json(struct tool_digest *before, struct tool_digest *after);

#endif
