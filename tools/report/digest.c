/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A digest of an image's metadata, which tells whether anything was written there. */
#include "digest.h"

#include "../term/message.h"
#include "json.h"

#include <nettle/sha2.h>
#include <nettle/version.h>
#include <stdio.h>
#include <string.h>

struct pass {
	struct tool_digest *digest;
	struct sha256_ctx sha;
	uint64_t start, length; /* of the area that grows */
};

static void end_area(struct pass *pass)
{
	struct tool_digest *digest = pass->digest;
	if (pass->length == 0)
		return;
	if (json_array_size(digest->areas) == TOOL_DIGEST_MAX_AREAS)
		digest->has_more = true;
	else
		json_array_append_new(digest->areas,
				      json_pack("{s:o, s:o}", "offset",
						tool_json_number(pass->start), "length",
						tool_json_number(pass->length)));
}

static int take(void *opaque, uint64_t offset, const void *bytes, size_t count)
{
	struct pass *pass = opaque;
	if (pass->length == 0 || offset != pass->start + pass->length) {
		end_area(pass);
		pass->start = offset;
		pass->length = 0;
	}
	pass->length += count;
	pass->digest->bytes += count;
	sha256_update(&pass->sha, count, bytes);
	return 0;
}

static void finish(struct pass *pass)
{
	uint8_t sum[SHA256_DIGEST_SIZE];
#if NETTLE_VERSION_MAJOR >= 4
	sha256_digest(&pass->sha, sum);
#else
	sha256_digest(&pass->sha, sizeof(sum), sum);
#endif
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(pass->digest->hex + 2 * i, 3, "%02x", sum[i]);
}

int tool_digest_make(struct tool_digest *digest, const char *filename,
		     struct qcow2bm_image *image)
{
	struct pass pass = {.digest = digest};
	struct qcow2bm_error err = {0};
	digest->areas = json_array();
	sha256_init(&pass.sha);
	if (qcow2bm_image_metadata(image, take, &pass, NULL, &err) != QCOW2BM_OK) {
		json_decref(digest->areas);
		return tool_message_fail(filename, &err);
	}
	end_area(&pass);
	finish(&pass);
	return TOOL_EXIT_DONE;
}

json_t *tool_digest_json(struct tool_digest *before, struct tool_digest *after)
{
	json_t *object = json_object();
	json_object_set_new(object, "sha256-before", json_string(before->hex));
	json_object_set_new(object, "sha256-after", json_string(after->hex));
	json_object_set_new(object, "bytes", tool_json_number(before->bytes));
	json_object_set_new(object, "areas", before->areas);
	if (before->has_more)
		json_object_set_new(object, "areas-cut-off", json_true());
	json_decref(after->areas);
	return object;
}
