/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A digest of an image's metadata, which tells whether anything was written there. */
#include "digest.h"

#include "../term/memory.h"
#include "../term/sum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pass {
	struct tool_digest *digest;
	struct tool_sum sum;
	uint64_t start, length; /* of the area that grows */
};

static void end_area(struct pass *pass)
{
	struct tool_digest *digest = pass->digest;
	if (pass->length == 0)
		return;
	if (digest->area_count == TOOL_DIGEST_MAX_AREAS) {
		digest->has_more = true;
		return;
	}
	if (digest->area_count == digest->area_room) {
		digest->area_room = digest->area_room * 2 + 64;
		digest->areas = tool_memory_resize(digest->areas, digest->area_room,
						   sizeof(*digest->areas));
	}
	digest->areas[digest->area_count++] =
		(struct tool_digest_area){pass->start, pass->length};
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
	tool_sum_add(&pass->sum, bytes, count);
	return 0;
}

static void finish(struct pass *pass)
{
	uint8_t sum[TOOL_SUM_BYTES];
	tool_sum_end(&pass->sum, sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(pass->digest->hex + 2 * i, 3, "%02x", sum[i]);
}

enum qcow2bm_code tool_digest_make(struct tool_digest *digest,
				   struct qcow2bm_image *image,
				   const struct qcow2bm_watch *watch,
				   struct qcow2bm_error *err)
{
	struct pass pass = {.digest = digest};
	tool_sum_begin(&pass.sum);
	enum qcow2bm_code code = qcow2bm_image_metadata(image, take, &pass, watch, err);
	if (code != QCOW2BM_OK)
		return code;
	end_area(&pass);
	finish(&pass);
	return code;
}

static json_t *make_area(const void *opaque, size_t number)
{
	const struct tool_digest *digest = opaque;
	const struct tool_digest_area *area = &digest->areas[number];
	return json_pack("{s:o, s:o}", "offset", tool_json_number(area->offset), "length",
			 tool_json_number(area->length));
}

json_t *tool_digest_json(const struct tool_digest *before,
			 const struct tool_digest *after, struct tool_json_list *areas)
{
	*areas = (struct tool_json_list){
		.count = before->area_count, .make = make_area, .opaque = before};
	json_t *object = json_object();
	json_object_set_new(object, "sha256-before", json_string(before->hex));
	json_object_set_new(object, "sha256-after", json_string(after->hex));
	json_object_set_new(object, "bytes", tool_json_number(before->bytes));
	tool_json_set_list(object, "areas", areas);
	if (before->has_more)
		json_object_set_new(object, "areas-cut-off", json_true());
	return object;
}

void tool_digest_free(struct tool_digest *digest)
{
	free(digest->areas);
	*digest = (struct tool_digest){.bytes = 0};
}
